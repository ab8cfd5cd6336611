# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# What rows are written with. A row file finds $crd (the release binary), $floors (a directory with the compiled
# floors), $work (an empty directory of its own), $top, $BENCH_SECONDS, $BENCH_SAMPLES, $BENCH_REPEATS, and these functions.

progress() { [ ! -t 2 ] || echo "$*" >&2; }

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
# ready, and leaves in $took the milliseconds that needed.
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

# Ends what `start` started, by its pid, and waits for it.
stop() {
    [ -n "$started" ] || return 0
    kill -TERM "$started" 2>/dev/null || :
    i=0
    while kill -0 "$started" 2>/dev/null && [ "$i" -lt 200 ]; do
        i=$((i + 1))
        sleep 0.05
    done
    if kill -KILL "$started" 2>/dev/null; then echo "did not end within 10 s of SIGTERM" >&2; fi
    wait "$started" 2>/dev/null || :
    started=
}

# How many runs the daemon has ended, over all modules.
runs() {
    "$crd" list --json --config "$work/crd.conf" | grep -oE '"runs" *: *[0-9]+' |
        awk -F : '{ runs += $2; lines++ } END { if (!lines) exit 1; printf "%.0f\n", runs }'
}

# field NAME: a number from the status of what `start` started.
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$started/status"; }
