# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2034,SC2154  # What `run` sets, and what `stop` reads.
#
# From just before a file is closed until the check's main begins, with nothing else to do; beside the C floor what
# else there is installed that starts programs for files. The floor runs all the time and gets every other file, so that
# whatever else the machine does meets both alike.

watched=$work/watched stamps=$work/stamps
make_stamp_module "$watched" close_write \
    'cooldown = "0s"' 'limit = "off"' "environment = { STAMPS = \"$stamps\" }"
configure

# afresh: nothing watched, nothing measured.
afresh() {
    rm -rf "$watched" "$stamps" && mkdir "$watched"
    # Whoever the check runs as.
    : >"$stamps" && chmod 666 "$stamps"
}

# measure FILE: a line into FILE with p50 and p99 of the floor, then of what `start` started.
measure() {
    : >"$stamps"
    : >"$work/floor/stamps"
    "$floors/write_file" "$work/floor/watched" "$BENCH_SAMPLES" 160 >"$work/floor/closed" &
    writer=$!
    sleep 0.08
    "$floors/write_file" "$watched" "$BENCH_SAMPLES" 160 >"$work/closed"
    wait "$writer"
    sleep 0.5
    note_turn "$1" "$work/floor/closed" "$work/floor/stamps" "$work/closed" "$stamps"
}

accepted
mkdir "$work/floor" "$work/floor/watched"
STAMPS=$work/floor/stamps start "" "$floors/path" "$work/floor/watched" close_write "$floors/stamp"
floor_process=$started started=
trap 'stop; end "$floor_process"' EXIT

# measure_daemon FILE: the daemon's turns.
measure_daemon() {
    turn=0
    while [ "$turn" -lt "$BENCH_REPEATS" ]; do
        turn=$((turn + 1))
        afresh
        start_daemon
        until [ -s "$stamps" ]; do sleep 0.05; done  # The check of the start.
        sleep 0.5
        measure "$1"
        stop
        progress "    p50, p99 ms of the floor, of CRD: $(tail -n 1 "$1")"
    done
}
measure_daemon "$work/turns"
rows_of "file event to check start" "$work/turns" 1.15

# Nobody may wait for a child that another user could stop, so it is forked. The floor changes no user.
if [ "$(id -u)" = 0 ]; then
    chmod 711 "${work%/*}" "$work"
    manifest=$(find "$work/modules" -name module.toml)
    cp "$manifest" "$work/manifest"
    { echo 'user = "nobody"'; cat "$work/manifest"; } >"$manifest"
    measure_daemon "$work/others"
    rows_of "    of another user's role" "$work/others" 1.5
    cp "$work/manifest" "$manifest"
fi

if has inotifywait; then
    afresh
    mkfifo "$work/names"
    inotifywait -q -m -e close_write --format %f "$watched" >"$work/names" 2>"$work/output" &
    started=$!
    while read -r _; do "$floors/stamp" "$stamps" </dev/null || :; done <"$work/names" &
    reader=$!
    warm_up inotifywait "$stamps" "$floors/write_file" "$watched" 1 0
    measure "$work/inotifywait"
    stop
    wait "$reader"
    rows_of "    inotifywait | while read instead" "$work/inotifywait"
fi

if has incrond; then
    afresh
    mkdir "$work/incron" "$work/incron/system" "$work/incron/user"
    echo "$watched IN_CLOSE_WRITE $floors/stamp $stamps" >"$work/incron/system/bench"
    cat >"$work/incron/conf" <<CONF
system_table_dir = $work/incron/system
user_table_dir = $work/incron/user
lockfile_dir = $work/incron
lockfile_name = incrond
CONF
    incrond --foreground --config="$work/incron/conf" >"$work/output" 2>&1 &
    started=$!
    warm_up incrond "$stamps" "$floors/write_file" "$watched" 1 0
    measure "$work/incrond"
    stop
    rows_of "    incron instead" "$work/incrond"
fi

if has watchman; then
    afresh
    mkdir "$work/watchman"
    # Its default is to wait for 20 ms of quiet.
    echo '{"settle": 1}' >"$watched/.watchmanconfig"
    ask_watchman() { watchman --sockname="$work/watchman/sock" --no-spawn "$@" >"$work/output" 2>&1; }
    HOME=$work/watchman watchman --foreground --sockname="$work/watchman/sock" --pidfile="$work/watchman/pid" \
        --logfile="$work/watchman/log" --statefile="$work/watchman/state" >"$work/output" 2>&1 &
    started=$!
    turn=0
    until ask_watchman watch "$watched"; do
        turn=$((turn + 1))
        [ "$turn" -le 50 ] || { cat "$work/output" >&2; exit 1; }
        sleep 0.2
    done
    echo "[\"trigger\", \"$watched\", {\"name\": \"bench\", \"expression\": [\"type\", \"f\"]," \
        "\"append_files\": false, \"command\": [\"$floors/stamp\", \"$stamps\"]}]" | ask_watchman --json-command
    warm_up watchman "$stamps" "$floors/write_file" "$watched" 1 0
    measure "$work/watchman/turns"
    ask_watchman shutdown-server
    stop
    rows_of "    watchman instead, settle 1 ms" "$work/watchman/turns"
fi
