# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# Ten times as many modules: how many times as long starting, listing and reloading take. Each module waits for a path
# that is not there. Anything that looks at all modules once for each of them shows here.

# take COMMAND...: the median of the seconds that it took, of three times.
take() {
    for turn in 1 2 3; do
        before=$(seconds_now)
        "$@" >"$work/output"
        calculate "$(seconds_now) - $before" %.4f
        echo
    done | median
}

# measure COUNT: seconds of start, list and reload into $work/COUNT.
measure() {
    make_modules "$1" 1h "$floors/unmet"
    for module in "$work"/modules/*; do
        printf '\n[[trigger.path]]\npath = "%s"\n' "$work/absent/${module##*/}" >>"$module/module.toml"
    done
    configure 'slots = 16'
    # The first start reads the modules from the disk, the others from memory.
    : >"$work/starts"
    for turn in 1 2 3; do
        start_daemon
        calculate "$took / 1000" %.4f >>"$work/starts"
        echo >>"$work/starts"
        [ "$turn" -eq 3 ] || stop
    done
    waited=0
    while [ "$(runs)" -lt "$1" ]; do
        waited=$((waited + 1))
        [ "$waited" -lt 240 ] || { echo "the checks of the start did not end within two minutes" >&2; exit 1; }
        sleep 0.5
    done
    {
        median <"$work/starts"
        take "$crd" list --config "$work/crd.conf"
        take "$crd" reload --config "$work/crd.conf"
    } | paste -s -d ' ' - >"$work/$1"
    stop
    rm -rf "$work/modules" "$work/support" "$work/state" "$work/runtime"
}

measure 1000
measure 10000
place=0
for what in "start to READY" list reload; do
    place=$((place + 1))
    few=$(cut -d ' ' -f "$place" "$work/1000") many=$(cut -d ' ' -f "$place" "$work/10000")
    ratio=$(calculate "$many / $few" %.4f)
    row "$what, 10,000 modules over 1,000, s" "$few" "$many" "$(calculate "$ratio")" "<= 12" "$(verdict "$ratio <= 12")"
done
