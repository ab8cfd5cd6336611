# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# System calls from the wake-up for a file event (with the epoll_wait that returns) up to the first one of the spawn:
# exact where times are noise.

if ! command -v strace >/dev/null 2>&1; then
    progress "    no strace here to count with"
    exit 0
fi

watched=$work/watched STAMPS=$work/stamps
export STAMPS
mkdir "$watched"
make_stamp_module "$watched" close_write \
    'cooldown = "0s"' 'limit = "off"' "environment = { STAMPS = \"$STAMPS\" }"
configure

# count_calls SPAWN: the median for what `start` started, SPAWN being how a line of the first call of a spawn begins.
count_calls() {
    # Not what it starts: only the process itself is followed.
    strace -y -o "$work/trace" -p "$started" 2>"$work/strace" &
    tracer=$!
    await "$work/strace"
    "$floors/write_file" "$watched" 20 200 >"$work/closed"
    sleep 0.5
    kill -INT "$tracer"
    wait "$tracer" || :
    SPAWN="^($1)" awk '
        # One that woke up for something else is not counted, one that slept without a spawn goes on counting.
        /^epoll_p?wait2?\(/ { if (!happened) calls = 0; counting = 1 }
        !counting { next }
        $0 ~ ENVIRON["SPAWN"] { if (happened) print calls; counting = happened = 0; next }
        { calls++ }
        /^read\([0-9]+<[^>]*inotify>, .* = [1-9][0-9]*$/ { happened = 1 }' "$work/trace" >"$work/calls"
    [ "$(wc -l <"$work/calls")" -eq 20 ] || {
        echo "$(wc -l <"$work/calls") spawns were found in the trace of 20 file events" >&2
        return 1
    }
    median <"$work/calls"
}

accepted
start "" "$floors/path" "$watched" close_write "$floors/stamp"
floor=$(count_calls '(mmap|rt_sigprocmask|clone3?|vfork)\(')
stop

rm -f "$STAMPS"
start_daemon
await "$STAMPS"  # The check of the start.
sleep 0.5
# The spawn begins with a look at who could change the executable, from the root down; pipes, the event file and the
# cgroup follow. Looks at any other file before that are counted.
calls=$(count_calls 'newfstatat\([^,]*, "/",|lstat\("/",|statx\([^,]*, "/",|pipe2?\(|memfd_create\(|clone3?\(|vfork\(')
stop
row "system calls, wake-up to spawn" "$floor" "$calls" "" "<= 8" "$(verdict "$calls <= 8")"
