# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# How many entries a second the daemon goes through when it has a journal to catch up with, for one module and for a
# thousand that each look for another value of a field. They find nothing but the first entry and the last, both for one
# of them: what counts is the time from the check for the one to that for the other.

need_journald "journal entries scanned a second" ">= 0.80"

entries=300000
all=$work
printf '#!/bin/sh\nexit 1\n' >"$all/unmet"

# prepare NAME MODULES VALUES: in a directory of its own so many modules that each look for so many values, and a
# daemon's state with their positions at the end of the journal as it is now. With many values it has to look at every
# entry itself; a few it may leave to libsystemd, which steps over the rest.
prepare() {
    work=$all/$1
    mkdir "$work"
    make_modules "$2" off "$all/unmet"
    cp "$floors/stamp" "$work/modules/module-0001/check"
    number=0
    for module in "$work"/modules/*; do
        number=$((number + 1))
        cat >>"$module/module.toml" <<TOML
cooldown = "0s"
limit = "off"
environment = { STAMPS = "$work/stamps" }

[[trigger.journal]]
match = { BENCH_UNIT = [$(seq -s ', ' -f "\"unit-$number-%g.service\"" "$3")] }
TOML
    done
    configure 'catch-up = "1h"'
    accepted
    start_daemon
    stop
    mv "$work/state" "$work/before"
}

# catch_up NAME: leaves in its `stamps` the checks of the two entries.
catch_up() {
    work=$all/$1
    rm -rf "$work/state" "$work/stamps"
    cp -a "$work/before" "$work/state"
    start_daemon
    tries=0
    until [ "$(awk '{ events += $3 } END { print events + 0 }' "$work/stamps" 2>/dev/null)" = 2 ]; do
        tries=$((tries + 1))
        [ "$tries" -le 20 ] || { echo "two entries were not found within 20 s" >&2; return 1; }
        sleep 1  # Looking all the time would take from what is measured.
    done
    stop
}

scan() { "$floors/scan" - BENCH_UNIT | cut -d ' ' -f 1; }

# measure NAME: a line into its `turns` with how many times the floor's rate the daemon's is, and both; the floor's from
# just before and just after, as the machine has its moods.
measure() {
    before=$(scan)
    catch_up "$1"
    after=$(scan)
    [ "$(wc -l <"$work/stamps")" -eq 2 ] || { echo "one check came for both entries" >&2; return 1; }
    rate=$(cut -d ' ' -f 1 "$work/stamps" | paste -s -d - - | awk -F - -v entries="$entries" '
        { printf "%.0f", entries / ($2 - $1) * 1e9 }')
    floor=$(calculate "($before + $after) / 2" %.0f)
    echo "$(calculate "$rate / $floor" %.4f) $floor $rate" >>"$work/turns"
    progress "    $1: times the floor, floor, CRD: $(tail -n 1 "$work/turns")"
}

prepare one 1 64
prepare hundred 100 1
prepare thousand 1000 1
prepare single 1 1
"$floors/journal_send" 1 0 BENCH_UNIT=unit-1-1.service >"$all/sent"
"$floors/journal_send" "$entries" 0 BENCH_UNIT=none 1000 0
"$floors/journal_send" 1 0 BENCH_UNIT=unit-1-1.service >"$all/sent"
journalctl --sync
there=$("$floors/scan" - BENCH_UNIT | cut -d ' ' -f 2)
[ "$there" -ge $((entries + 2)) ] || { echo "the journal kept $there of $entries entries" >&2; exit 1; }

turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    for name in one hundred thousand; do measure "$name"; done
    floor=$(scan)
    catch_up single
    last=$(tail -n 1 "$work/stamps" | cut -d ' ' -f 1)
    echo "$(calculate "$entries / $floor * 1e3" %.0f) $(calculate "($last - $since) / 1e6" %.0f)" >>"$work/turns"
done

# row_of WHAT NAME [BUDGET]
row_of() {
    ratio=$(column 1 "$all/$2/turns")
    row "$1" "$(column 2 "$all/$2/turns")" "$(column 3 "$all/$2/turns")" "$(calculate "$ratio")" \
        "${3+">= $3"}" "${3+"$(verdict "$ratio >= $3")"}"
}
row_of "journal entries scanned a second, 1 module" one 0.80
row_of "    100 modules" hundred 0.80
row_of "    1,000 modules" thousand 0.80
slower=$(calculate "$(column 1 "$all/one/turns") / $(column 1 "$all/thousand/turns")" %.4f)
row "    1,000 modules slower than 1" "" "" "$(calculate "$slower")" "<= 1.20" "$(verdict "$slower <= 1.2")"
row "    all and the start, 1 module with one value, ms" \
    "$(column 1 "$all/single/turns")" "$(column 2 "$all/single/turns")" "" "" ""
