# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
#
# Read by check and response, so that both judge DIRECTORY by the same rules.
set -u
LC_ALL=C
export LC_ALL

cannot() {
    printf '%s\n' "$1" >&2
    exit 2
}

# Goes to DIRECTORY, or to `log` in the module's own state directory where none is set. It must be absolute, not
# the root directory, and no symbolic link.
enter_directory() {
    if [ -z "${DIRECTORY-}" ]; then
        [ -n "${CRD_STATE-}" ] || cannot "neither DIRECTORY nor CRD_STATE is set; set DIRECTORY in module.toml"
        DIRECTORY=$CRD_STATE/log
        mkdir -p -- "$DIRECTORY" || exit 2
    fi
    # `name/` would be looked at through a link of that name.
    while [ "${DIRECTORY%/}" != "$DIRECTORY" ]; do DIRECTORY=${DIRECTORY%/}; done
    case $DIRECTORY in
    /*) ;;
    *) cannot "DIRECTORY must be absolute, and not the root directory" ;;
    esac
    # First go there, then see where that is: no one can put a link in the way in between.
    parent=$(cd -P -- "${DIRECTORY%/*}/" && pwd -P) || exit 2
    cd -P -- "$DIRECTORY" || exit 2
    [ "$(pwd -P)" = "${parent%/}/${DIRECTORY##*/}" ] ||
        cannot "DIRECTORY '$DIRECTORY' is a symbolic link, or ends in '.' or '..'"
}

# A name may hold anything; a message is one line.
in_one_line() { printf %s "$1" | tr '[:cntrl:]' '?'; }
