# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# 10,000 files created at once, and a check that takes 5 ms: how few runs that is, never two at once, one after the
# last file, and every event told to one of them. The floor knows no cooldown: it runs again as soon as it may.

files=10000
watched=$work/watched STAMPS=$work/stamps STAMP_MILLISECONDS=5
export STAMPS STAMP_MILLISECONDS
make_stamp_module "$watched" create \
    "environment = { STAMPS = \"$STAMPS\", STAMP_MILLISECONDS = \"$STAMP_MILLISECONDS\" }"
configure

# afresh: nothing watched, nothing measured.
afresh() { rm -rf "$watched" "$STAMPS" && mkdir "$watched"; }

# measure FILE: a line into FILE with how many runs there were, how many of them began within one second and ran at
# once at most, how many milliseconds after the last file the last began, and of how many events they were told.
measure() {
    : >"$STAMPS"
    "$floors/write_file" "$watched" "$files" 0 >"$work/closed"
    # No run for two seconds, of a cooldown of 100 ms: that was the last.
    seen=-1
    while [ "$(wc -l <"$STAMPS")" -ne "$seen" ]; do
        seen=$(wc -l <"$STAMPS")
        sleep 2
    done
    most=$(awk '{ print $1, 1; print $2, -1 }' "$STAMPS" | sort -n |
        awk '{ running += $2; if (running > most) most = running } END { print most + 0 }')
    last=$(tail -n 1 "$work/closed")
    sort -n "$STAMPS" | awk -v most="$most" -v closed="$last" '
        {
            began[NR] = $1
            events += $3 + $4
            while (began[NR] - began[first + 1] >= 1e9) first++
            if (NR - first > rate) rate = NR - first
        }
        END { printf "%d %d %d %.1f %d\n", NR, rate, most, (began[NR] - closed) / 1e6, events }' >>"$1"
}

accepted
turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    afresh
    start "" "$floors/path" "$watched" create "$floors/stamp"
    measure "$work/floor"
    stop

    afresh
    start_daemon
    await "$STAMPS"  # The check of the start.
    sleep 1
    measure "$work/through"
    stop
    progress "    runs, a second, at once, last ms, events: floor $(tail -n 1 "$work/floor")," \
        "CRD $(tail -n 1 "$work/through")"
done

# extreme N: the largest of a column of the daemon's turns; extreme N -r: the smallest.
extreme() { cut -d ' ' -f "$1" "$work/through" | sort -n ${2+"$2"} | tail -n 1; }

# Medians are shown, and every turn is judged.
row "burst of 10,000 files, runs" "$(column 1 "$work/floor")" "$(column 1 "$work/through")" "" "" ""
row "    runs begun within a second" "$(column 2 "$work/floor")" "$(column 2 "$work/through")" "" \
    "<= 10" "$(verdict "$(extreme 2) <= 10")"
row "    at once" "$(column 3 "$work/floor")" "$(column 3 "$work/through")" "" "1" "$(verdict "$(extreme 3) == 1")"
row "    last run after the last file, ms" "$(column 4 "$work/floor")" "$(column 4 "$work/through")" "" \
    "> 0" "$(verdict "$(extreme 4 -r) > 0")"
row "    events accounted for" "$(column 5 "$work/floor")" "$(column 5 "$work/through")" "" \
    "$files" "$(verdict "$(extreme 5) == $files && $(extreme 5 -r) == $files")"
