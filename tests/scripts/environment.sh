# shellcheck shell=bash
# Sourced by the other scripts: where the project is, where cargo is, and how a step is announced.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
# A toolchain that setup.sh has just installed is not on the caller's PATH yet.
[ -d "$HOME/.cargo/bin" ] && case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) PATH="$HOME/.cargo/bin:$PATH" ;; esac
# The crates and the AWS CLI are the ones pinned here, whatever virtual environment the caller is in.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

step() { printf '\n==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    for hint in "$@"; do printf 'hint: %s\n' "$hint" >&2; done
    exit 1
}
