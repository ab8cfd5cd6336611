# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# Read by check and response, so that both judge a unit by the same rules.

# Nothing is taken for a pattern of file names.
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

# May UNIT be started again? Its name has nothing in it that systemd does not allow in one, and matches UNITS.
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

# A line "SECONDS UNIT" for each restart of the last hour. Tried by hand, without CRD_STATE, there are none.
recent_restarts() {
    [ -e "${CRD_STATE-}/restarts" ] || return 0
    SINCE=$(($(date +%s) - 3600)) awk '$1 > ENVIRON["SINCE"] + 0' "$CRD_STATE/restarts"
}

# remember UNIT...: they are restarted now.
remember() {
    [ -n "${CRD_STATE-}" ] || return 0
    {
        recent_restarts
        printf "$(date +%s) %s\n" "$@"
    } >"$CRD_STATE/restarts.new" && mv "$CRD_STATE/restarts.new" "$CRD_STATE/restarts"
}
