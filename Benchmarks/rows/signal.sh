# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# From just before a signal is sent until the check's main begins, with nothing else to do, beside the C floor, which
# runs all the time and gets every other signal.

stamps=$work/stamps
make_modules 1 1h "$floors/stamp"
cat >>"$work/modules/module-0001/module.toml" <<TOML
cooldown = "0s"
limit = "off"
environment = { STAMPS = "$stamps" }

[[trigger.signal]]
signal = "USR1"
TOML
configure
accepted

mkdir "$work/floor"
STAMPS=$work/floor/stamps start "" "$floors/signal" "$floors/stamp"
floor_process=$started started=
trap 'stop; end "$floor_process"' EXIT

turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    rm -f "$stamps"
    start_daemon
    await "$stamps"  # The check of the start.
    sleep 0.5
    : >"$stamps"
    : >"$work/floor/stamps"
    "$floors/send_signal" "$floor_process" "$BENCH_SAMPLES" 160 >"$work/floor/caused" &
    sender=$!
    sleep 0.08
    "$floors/send_signal" "$started" "$BENCH_SAMPLES" 160 >"$work/caused"
    wait "$sender"
    sleep 0.5
    note_turn "$work/turns" "$work/floor/caused" "$work/floor/stamps" "$work/caused" "$stamps"
    stop
    progress "    p50, p99 ms of the floor, of CRD: $(tail -n 1 "$work/turns")"
done
rows_of "signal to check start" "$work/turns" 1.15
