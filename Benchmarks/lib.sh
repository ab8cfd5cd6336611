# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# What rows are written with. A row file finds $crd (the release binary), $floors (a directory with the compiled
# floors), $work (an empty directory of its own), $top, $BENCH_SECONDS, $BENCH_SAMPLES, $BENCH_REPEATS, and these functions.

progress() { [ ! -t 2 ] || echo "$*" >&2; }

# has PROGRAM: whether it is installed.
has() { command -v "$1" >/dev/null 2>&1 || { progress "    no $1 here to compare with"; return 1; }; }

# row WHAT FLOOR CRD RATIO BUDGET VERDICT: one line of the table.
row() { printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$table"; }

print_table() {
    { printf 'what\tfloor\tCRD\tratio\tbudget\t\n'; cat "$table"; } | awk -F '\t' '
        { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
        END {
            for (n = 1; n <= NR; n++) {
                line = sprintf("%-" width[1] "s", cell[n, 1])
                for (i = 2; i <= 5; i++) line = line sprintf("  %" width[i] "s", cell[n, i])
                print line "  " cell[n, 6]
            }
        }'
}

# calculate EXPRESSION [FORMAT]: awk's arithmetic.
calculate() { awk "BEGIN { printf \"${2:-%.2f}\", $1 }"; }

# verdict CONDITION: "ok" or "MISS", the condition being awk's.
verdict() { awk "BEGIN { print ($1) ? \"ok\" : \"MISS\" }"; }

# The middle one of the numbers on stdin, one a line.
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR == 0) exit 1; print v[int((NR + 1) / 2)] }'; }

# percentile P: the least of the numbers on stdin, one a line, that P percent of them do not exceed.
percentile() {
    sort -n | awk -v p="$1" '
        { v[NR] = $1 }
        END { if (NR == 0) exit 1; rank = int(NR * p / 100); if (rank < NR * p / 100) rank++; print v[rank] }'
}

# column N FILE: the median of a column of FILE.
column() { cut -d ' ' -f "$1" "$2" | median; }

# latencies CAUSES STAMPS: milliseconds from each cause to the first start after it.
latencies() {
    { sed 's/$/ caused/' "$1"; awk '{ print $1, "started" }' "$2"; } | sort -n | awk '
        $2 == "caused" { caused[++waiting] = $1; next }
        { while (waiting) printf "%.3f\n", ($1 - caused[waiting--]) / 1e6 }
        END { if (waiting) { print "the last " waiting " events started nothing" >"/dev/stderr"; exit 1 } }'
}

# note_turn FILE CAUSES STAMPS CAUSES STAMPS: a line into FILE with p50 and p99 of the floor, then of CRD.
note_turn() {
    latencies "$2" "$3" >"$work/floor.latencies"
    latencies "$4" "$5" >"$work/latencies"
    for list in "$work/floor.latencies" "$work/latencies"; do
        echo "$(percentile 50 <"$list") $(percentile 99 <"$list")"
    done | paste -s -d ' ' - >>"$1"
}

# rows_of WHAT FILE [BUDGET]: p50 and p99 beside the floor's.
rows_of() {
    for place in 1 2; do
        floor=$(column "$place" "$2") through=$(column $((place + 2)) "$2")
        ratio=$(calculate "$through / $floor" %.4f)
        row "$1, p$(calculate "$place == 1 ? 50 : 99" %d), ms" "$floor" "$through" "$(calculate "$ratio")" \
            ${3+"<= $3"} ${3+"$(verdict "$ratio <= $3")"}
    done
}

seconds_now() { date +%s.%N; }

# make_modules COUNT INTERVAL PROGRAM: modules in $work/modules whose check is a copy of PROGRAM.
make_modules() {
    mkdir "$work/modules" "$work/support"
    i=0
    while [ "$i" -lt "$1" ]; do
        i=$((i + 1))
        module=$work/modules/$(printf 'module-%04d' "$i")
        mkdir "$module"
        cp "$3" "$module/check"
        printf '#!/bin/sh\n' >"$module/response"
        printf 'interval = "%s"\n' "$2" >"$module/module.toml"
    done
    chmod 755 "$work"/modules/*/check "$work"/modules/*/response
}

# make_stamp_module WATCHED EVENT [LINE...]: one module whose check is the stamp program, run for EVENT in WATCHED.
make_stamp_module() {
    stamped=$1 event=$2
    shift 2
    make_modules 1 1h "$floors/stamp"
    { [ $# -eq 0 ] || printf '%s\n' "$@"; cat <<TOML; } >>"$work/modules/module-0001/module.toml"

[[trigger.path]]
path = "$stamped"
events = ["$event"]
TOML
}

# configure [LINE...]: $work/crd.conf for the modules in $work/modules.
configure() {
    cat >"$work/crd.conf" <<CONF
modules = "$work/modules"
support = "$work/support"
state = "$work/state"
runtime = "$work/runtime"
CONF
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$work/crd.conf"
    mkdir -p "$work/state" "$work/runtime"
}

# accepted: fails with the daemon's complaints if it would not take what was configured.
accepted() {
    "$crd" check-config --config "$work/crd.conf" >"$work/output" 2>&1 || { tail -n 5 "$work/output" >&2; return 1; }
}

# start SOCKET PROGRAM [ARGUMENT...]: runs PROGRAM in the background as $started until `stop`, waits until it is
# ready, and leaves in $took the milliseconds that needed, and in $since from when on (nanoseconds of CLOCK_MONOTONIC).
started=
start() {
    rm -f "$work/started"
    "$floors/start" "$work/started" "$@" >"$work/output" 2>&1 </dev/null &
    started=$!
    while [ ! -s "$work/started" ]; do
        kill -0 "$started" 2>/dev/null || { tail -n 5 "$work/output" >&2; started=; return 1; }
        sleep 0.02
    done
    took=$(cut -s -d ' ' -f 2 "$work/started")
    # shellcheck disable=SC2034  # For rows.
    since=$(cut -s -d ' ' -f 3 "$work/started")
    [ -n "$took" ] || { echo "neither READY nor an answer within 30 s" >&2; return 1; }
}

start_daemon() { start "$work/runtime/crd.sock" "$crd" daemon --config "$work/crd.conf"; }

# await FILE: until something is in it.
await() {
    i=0
    while [ ! -s "$1" ]; do
        i=$((i + 1))
        [ "$i" -le 200 ] || { echo "nothing was written to $1 within 10 s" >&2; return 1; }
        sleep 0.05
    done
}

# end PID: ends what this shell started, and waits for it.
end() {
    kill -TERM "$1" 2>/dev/null || :
    i=0
    while kill -0 "$1" 2>/dev/null && [ "$i" -lt 200 ]; do
        i=$((i + 1))
        sleep 0.05
    done
    if kill -KILL "$1" 2>/dev/null; then echo "did not end within 10 s of SIGTERM" >&2; fi
    wait "$1" 2>/dev/null || :
}

# Ends what `start` started.
stop() {
    [ -n "$started" ] || return 0
    end "$started"
    started=
}

# warm_up NAME STAMPS CAUSE [ARGUMENT...]: causes events until one has started something, for those that tell in no
# common way when they watch.
warm_up() {
    watcher=$1 first=$2
    shift 2
    turn=0
    while [ ! -s "$first" ]; do
        turn=$((turn + 1))
        [ "$turn" -le 50 ] || { echo "$watcher starts nothing" >&2; tail -n 5 "$work/output" >&2; return 1; }
        "$@" >"$work/warm"
        sleep 0.2
    done
    sleep 1
}

# How many runs the daemon has ended, over all modules.
runs() {
    "$crd" list --json --config "$work/crd.conf" | grep -oE '"runs" *: *[0-9]+' |
        awk -F : '{ runs += $2; lines++ } END { if (!lines) exit 1; printf "%.0f\n", runs }'
}

# field NAME: a number from the status of what `start` started.
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$started/status"; }

# wakeups SECONDS: how often a second what was started woke up.
wakeups() {
    before=$(field voluntary_ctxt_switches)
    sleep "$1"
    calculate "($(field voluntary_ctxt_switches) - $before) / $1" %.1f
}

# need_journald WHAT BUDGET: the rest of the row file, which begins with this, has a journal of its own to itself
# (with-journald). Where there can be none, the row WHAT says so, and that was all.
need_journald() {
    [ -z "${BENCH_JOURNALD:-}" ] || return 0
    if [ ! -x "$floors/journal" ]; then
        missing="no libsystemd to compile with"
    elif missing=$(Benchmarks/with-journald volatile true 2>&1); then
        exec Benchmarks/with-journald volatile Benchmarks/measure "$rows"
    fi
    progress "    $missing"
    row "$1" "" "" "" "$2" "not measured: $missing"
    exit 0
}
