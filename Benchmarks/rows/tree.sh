# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# Watching a tree of 20,221 directories: what it adds to the time until READY, and to the memory, over watching an
# empty directory.

tree=$work/tree empty=$work/empty
mkdir "$empty"
awk -v tree="$tree" 'BEGIN {
    for (i = 0; i < 20; i++) for (j = 0; j < 10; j++) for (k = 0; k < 100; k++) print tree "/" i "/" j "/" k
}' | xargs mkdir -p
directories=$(find "$tree" -type d | wc -l)

allowed=$(cat /proc/sys/fs/inotify/max_user_watches)
if [ "$allowed" -lt $((directories + 1000)) ]; then
    echo "fs.inotify.max_user_watches is $allowed, too few for a tree of $directories directories" >&2
    row "watching $directories directories" "" "" "" "<= 1.50" "not measured: fs.inotify.max_user_watches is $allowed"
    exit 0
fi

make_modules 1 1h "$floors/unmet"
configure

# watch_with_daemon DIRECTORY
watch_with_daemon() {
    cat >"$work/modules/module-0001/module.toml" <<TOML
interval = "1h"

[[trigger.path]]
path = "$1"
recursive = true
TOML
    accepted
    start_daemon
}

watch_with_floor() { start "" "$floors/tree" "$1"; }

# measure PROGRAM FILE: a line into FILE with the milliseconds and the KiB that the tree adds.
measure() {
    "$1" "$empty"
    sleep 1
    empty_took=$took empty_memory=$(field VmRSS)
    stop
    "$1" "$tree"
    # Before READY, or the time until then would not be that of watching.
    watches=$(cat "/proc/$started/fdinfo/"* 2>/dev/null | grep -c '^inotify wd:' || :)
    [ "$watches" -ge "$directories" ] || {
        echo "$watches of $directories directories were watched when READY was said" >&2
        return 1
    }
    sleep 1
    echo "$(calculate "$took - $empty_took" %.1f) $(($(field VmRSS) - empty_memory))" >>"$2"
    stop
}

turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    measure watch_with_floor "$work/floor"
    measure watch_with_daemon "$work/through"
    progress "    ms, KiB: floor $(tail -n 1 "$work/floor"), CRD $(tail -n 1 "$work/through")"
done
floor=$(column 1 "$work/floor") through=$(column 1 "$work/through")
ratio=$(calculate "$through / $floor" %.4f)
row "watching $directories directories, ms" "$floor" "$through" "$(calculate "$ratio")" \
    "<= 1.50" "$(verdict "$ratio <= 1.5")"
each=$(calculate "$(column 2 "$work/through") / $directories" %.3f)
row "    memory for each, KiB" "$(calculate "$(column 2 "$work/floor") / $directories" %.3f)" "$each" "" \
    "<= 1" "$(verdict "$each <= 1")"
