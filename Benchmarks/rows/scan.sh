# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# How many entries a second the daemon goes through when it has a journal to catch up with, for one module and for a
# thousand that each look for another value of a field. They find nothing but the last entry, which is for one of them:
# what counts is the time until its check begins, without that of a start with nothing to catch up with.

need_journald "journal entries scanned a second" ">= 0.80"

entries=300000
all=$work
printf '#!/bin/sh\nexit 1\n' >"$all/unmet"

# prepare NAME MODULES VALUES: in a directory of its own so many modules that each look for so many values, and a
# daemon's state with their positions at the end of the journal as it is now.
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
    start_daemon  # The first one makes directories.
    stop
    echo "$took" >"$work/took"
    mv "$work/state" "$work/before"
}

# measure NAME: a line into its `turns` with how many times the floor's rate the daemon's is, and both; the floor's from
# just before and just after, as the machine has its moods.
measure() {
    before=$("$floors/scan" - BENCH_UNIT | cut -d ' ' -f 1)
    work=$all/$1
    rm -rf "$work/state" "$work/stamps"
    cp -a "$work/before" "$work/state"
    start_daemon
    sleep 1  # Looking for the stamp all the time would take from what is measured.
    await "$work/stamps"
    stop
    checks=$(wc -l <"$work/stamps")
    [ "$checks" -eq 1 ] || { echo "$checks checks began where one entry was to be found" >&2; return 1; }
    after=$("$floors/scan" - BENCH_UNIT | cut -d ' ' -f 1)
    floor=$(calculate "($before + $after) / 2" %.0f)
    found=$(cut -d ' ' -f 1 "$work/stamps")
    rate=$(calculate "$entries / (($found - $since) / 1e9 - $(cat "$work/took") / 1e3)" %.0f)
    echo "$(calculate "$rate / $floor" %.4f) $floor $rate" >>"$work/turns"
}

prepare one 1 64
prepare hundred 100 1
prepare thousand 1000 1
prepare single 1 1
"$floors/journal_send" "$entries" 0 BENCH_UNIT=none 1000 0
"$floors/journal_send" 1 0 BENCH_UNIT=unit-1-1.service >"$all/sent"
journalctl --sync
there=$("$floors/scan" - BENCH_UNIT | cut -d ' ' -f 2)
[ "$there" -gt "$entries" ] || { echo "the journal kept $there of $entries entries" >&2; exit 1; }

turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    for name in one hundred thousand single; do
        measure "$name"
        progress "    $name: times the floor, floor, CRD: $(tail -n 1 "$all/$name/turns")"
    done
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
slower=$(calculate "$(column 3 "$all/one/turns") / $(column 3 "$all/thousand/turns")" %.4f)
row "    1,000 modules slower than 1" "" "" "$(calculate "$slower")" "<= 1.20" "$(verdict "$slower <= 1.2")"
row_of "    1 module that looks for one value" single
