# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2034,SC2154  # What `run` sets, and what `stop` reads.
#
# From just before an entry is sent to the journal until the check's main begins, with nothing else to do, and while
# others send 5,000 entries a second; beside the C floor what people use for it today. Floor and daemon take turns all the
# time, so that whatever else the machine does meets both alike. And how often they wake up while nothing is sent.

need_journald "journal entry to check start, ms" "<= 1.15"

stamps=$work/stamps
make_modules 1 1h "$floors/stamp"
cat >>"$work/modules/module-0001/module.toml" <<TOML
cooldown = "0s"
limit = "off"
environment = { STAMPS = "$stamps" }

[[trigger.journal]]
match = { BENCH_WHO = "crd" }
TOML
configure

# measure FILE [COUNT MILLISECONDS]: a line into FILE with p50 and p99 of the floor, then of what `start` started. They
# take turns, a few entries each, and who is not asked is stopped: otherwise each entry would wake both, and the one that
# it is for would have to wait for the other.
measure() {
    : >"$stamps"
    : >"$work/floor/stamps"
    : >"$work/floor/sent"
    : >"$work/sent"
    samples=${2:-$BENCH_SAMPLES} period=${3:-100} sent=0
    while [ "$sent" -lt "$samples" ]; do
        sent=$((sent + 20))
        kill -STOP "$started"
        "$floors/journal_send" 20 "${period}000" BENCH_WHO=floor >>"$work/floor/sent"
        sleep 0.1
        kill -CONT "$started"
        kill -STOP "$floor_process"
        sleep 0.1
        "$floors/journal_send" 20 "${period}000" BENCH_WHO=crd >>"$work/sent"
        sleep 0.1
        kill -CONT "$floor_process"
        sleep 0.1
    done
    sleep 0.7
    note_turn "$1" "$work/floor/sent" "$work/floor/stamps" "$work/sent" "$stamps"
}

accepted
mkdir "$work/floor"
STAMPS=$work/floor/stamps start "" "$floors/journal" doorbell BENCH_WHO=floor "$floors/stamp"
floor_process=$started started='' others=''
trap 'stop; end "$floor_process"; [ -z "$others" ] || end "$others"' EXIT

turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    rm -f "$stamps"
    start_daemon
    await "$stamps"  # The check of the start.
    sleep 0.5
    measure "$work/quiet"
    if [ "$turn" -eq 1 ]; then
        sleep 2
        (started=$floor_process; wakeups 10 >"$work/floor/wakeups") &
        counter=$!
        wakeups=$(wakeups 10)
        wait "$counter"
    fi
    "$floors/journal_send" 0 200 BENCH_WHO=others 100 0 &
    others=$!
    sleep 0.5
    measure "$work/busy"
    end "$others"
    others=
    stop
    progress "    p50, p99 ms of the floor, of CRD: $(tail -n 1 "$work/quiet"); busy: $(tail -n 1 "$work/busy")"
done
rows_of "journal entry to check start" "$work/quiet" 1.15
rows_of "    beside 5,000 others a second" "$work/busy" 1.15

STAMPS=$stamps start "" "$floors/journal" poll BENCH_WHO=crd "$floors/stamp"
measure "$work/poll"
stop
rows_of "    a look every 10 ms instead" "$work/poll"

rm -f "$stamps"
mkfifo "$work/lines"
journalctl -q -f -n 0 -o cat BENCH_WHO=crd >"$work/lines" 2>"$work/output" &
started=$!
while read -r _; do "$floors/stamp" "$stamps" </dev/null || :; done <"$work/lines" &
reader=$!
warm_up journalctl "$stamps" "$floors/journal_send" 1 0 BENCH_WHO=crd
# So far apart that none is told of together with the one before.
measure "$work/journalctl" 20 1200
stop
wait "$reader"
rows_of "    journalctl -f | while read instead" "$work/journalctl"

row "wake-ups a second, quiet journal" "$(cat "$work/floor/wakeups")" "$wakeups" "" "0" "$(verdict "$wakeups == 0")"
