# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# Runs per second through the pool. 64 modules that are due every 10 ms are more than any pool gets through, so
# it is always full.

make_modules 64 10ms "$floors/unmet"

for slots in 1 2 4 8; do
    configure "slots = $slots"
    : >"$work/turns"
    turn=0
    while [ "$turn" -lt "$BENCH_REPEATS" ]; do
        turn=$((turn + 1))
        floor=$("$floors/pool" "$slots" "$BENCH_SECONDS" "$floors/unmet")

        start_daemon
        sleep 0.5
        began=$(seconds_now) before=$(runs)
        sleep "$BENCH_SECONDS"
        ended=$(seconds_now) after=$(runs)
        stop
        rate=$(calculate "($after - $before) / ($ended - $began)" %.1f)

        echo "$(calculate "$rate / $floor" %.4f) $floor $rate" >>"$work/turns"
        progress "    slots = $slots: floor $floor, CRD $rate"
    done
    ratio=$(median <"$work/turns")
    row "runs a second, slots = $slots" \
        "$(cut -d ' ' -f 2 "$work/turns" | median)" "$(cut -d ' ' -f 3 "$work/turns" | median)" \
        "$(calculate "$ratio")" ">= 0.90" "$(verdict "$ratio >= 0.9")"
done
