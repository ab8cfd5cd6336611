# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# A thousand modules and nothing to do: start to READY, memory, wake-ups. Every module is checked once at the start;
# what is measured comes after that.

idle_seconds=10
printf '#!/bin/sh\nexit 1\n' >"$work/unmet"
make_modules 1000 1h "$work/unmet"
configure

start "" "$floors/idle" "$work/modules" 3600
floor_took=$took floor_memory=$(field VmRSS) floor_wakeups=$(wakeups "$idle_seconds")
stop

# The first start reads the modules from the disk, the others from memory as the floor did.
: >"$work/starts"
for turn in 1 2 3; do
    start_daemon
    echo "$took" >>"$work/starts"
    [ "$turn" -eq 3 ] || stop
done
took=$(median <"$work/starts")
waited=0
while [ "$(runs)" -lt 1000 ]; do
    waited=$((waited + 1))
    [ "$waited" -lt 120 ] || { echo "the checks of the start did not end within a minute" >&2; exit 1; }
    sleep 0.5
done
sleep 1
memory=$(field VmRSS) wakeups=$(wakeups "$idle_seconds")
stop

row "memory, 1,000 modules, MiB" "$(calculate "$floor_memory / 1024" %.1f)" "$(calculate "$memory / 1024" %.1f)" \
    "" "<= 20" "$(verdict "$memory <= 20 * 1024")"
row "wake-ups a second, idle" "$floor_wakeups" "$wakeups" "" "0" "$(verdict "$wakeups == 0")"
row "start to READY, 1,000 modules, ms" "$floor_took" "$took" "$(calculate "$took / $floor_took" %.1f)" \
    "<= 100" "$(verdict "$took <= 100")"
