# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2154  # What `run` sets.
#
# `crd -x NAME` against executing the same program directly.

make_modules 1 1h "$floors/unmet"
configure

: >"$work/turns"
turn=0
while [ "$turn" -lt "$BENCH_REPEATS" ]; do
    turn=$((turn + 1))
    floor=$("$floors/repeat" 200 "$work/modules/module-0001/check")
    through=$("$floors/repeat" 200 "$crd" --config "$work/crd.conf" -x module-0001)
    echo "$(calculate "$through - $floor" %.3f) $floor $through" >>"$work/turns"
    progress "    direct $floor ms, crd -x $through ms"
done
added=$(median <"$work/turns")
floor=$(cut -d ' ' -f 2 "$work/turns" | median)
through=$(cut -d ' ' -f 3 "$work/turns" | median)
row "crd -x, ms" "$floor" "$through" "$(calculate "$through / $floor" %.1f)" "+5" "$(verdict "$added <= 5")"
