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

# Changes to DIRECTORY, or to `log` in the module's own state directory if none is set. DIRECTORY must be absolute, and
# neither the root directory nor a symbolic link.
enter_directory() {
    if [ -z "${DIRECTORY-}" ]; then
        [ -n "${CRD_STATE-}" ] || cannot "neither DIRECTORY nor CRD_STATE is set; set DIRECTORY in module.toml"
        DIRECTORY=$CRD_STATE/log
        mkdir -p -- "$DIRECTORY" || exit 2
    fi
    # A slash at the end would follow a link of that name.
    while [ "${DIRECTORY%/}" != "$DIRECTORY" ]; do DIRECTORY=${DIRECTORY%/}; done
    case $DIRECTORY in
    /*) ;;
    *) cannot "DIRECTORY must be absolute, and not the root directory" ;;
    esac
    # Change the directory first, then verify it, so that nobody can put a link there in between.
    parent=$(cd -P -- "${DIRECTORY%/*}/" && pwd -P) || exit 2
    cd -P -- "$DIRECTORY" || exit 2
    [ "$(pwd -P)" = "${parent%/}/${DIRECTORY##*/}" ] ||
        cannot "DIRECTORY '$DIRECTORY' is a symbolic link, or ends in '.' or '..'"
}

# A name may contain line ends, but a message must be one line.
in_one_line() { printf %s "$1" | tr '[:cntrl:]' '?'; }
