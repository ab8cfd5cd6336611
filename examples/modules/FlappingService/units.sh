# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# Read by check and response, so that both judge a unit by the same rules.

# -f: the shell must not expand patterns to file names.
set -uf
LC_ALL=C
export LC_ALL

cannot() {
    printf '%s\n' "$1" >&2
    exit 2
}

case ${FAILURES:=3}${RESTARTS:=3} in
*[!0-9]*) cannot "FAILURES and RESTARTS must be numbers, not '$FAILURES' and '$RESTARTS'" ;;
esac

# is_wanted UNIT: succeeds if UNIT may be started again: its name has only valid characters, and matches UNITS.
is_wanted() {
    case $1 in
    *[!A-Za-z0-9:_.\\@-]*) return 1 ;;
    esac
    for pattern in ${UNITS:-*.service}; do
        # shellcheck disable=SC2254 # It is a pattern.
        case $1 in
        $pattern) return 0 ;;
        esac
    done
    return 1
}

# Prints a line "SECONDS UNIT" for each restart of the last hour; none without CRD_STATE, when tried by hand.
recent_restarts() {
    [ -e "${CRD_STATE-}/restarts" ] || return 0
    SINCE=$(($(date +%s) - 3600)) awk '$1 > ENVIRON["SINCE"] + 0' "$CRD_STATE/restarts"
}

# remember UNIT...: records that these units are restarted now.
remember() {
    [ -n "${CRD_STATE-}" ] || return 0
    {
        recent_restarts
        printf "$(date +%s) %s\n" "$@"
    } >"$CRD_STATE/restarts.new" && mv "$CRD_STATE/restarts.new" "$CRD_STATE/restarts"
}
