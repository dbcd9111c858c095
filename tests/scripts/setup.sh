#!/usr/bin/env bash
# Installs what building, running and testing need and this machine lacks. Quick and silent when nothing is missing.
#
#   Debian packages    through apt-get, with sudo unless root
#   Rust               Debian's rustup where it exists, else from https://rustup.rs; only when no fitting cargo is found
#   AWS CLI, boto3,    in .venv, exact versions from tests/clients/requirements.txt
#   pytest
#
# Docker Engine is not installed here: it is the one thing that has to be there and running already.
set -euo pipefail
source "$(dirname "$0")/environment.sh"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing_packages() {
    local wanted=(gcc libc6-dev make python3 python3-venv busybox-static jq curl ca-certificates postgresql
        docker-registry apache2-utils mmdebstrap openssl docker-compose) package
    for package in "${wanted[@]}"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || echo "$package"
    done
}

install_packages() {
    command -v dpkg-query >/dev/null || fail "this script knows Debian's packages only" \
        "install gcc, make, python3 with venv, a static busybox, jq and curl yourself, and see README.md for the rest"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || fail "packages are missing ($*) and there is no sudo" \
        "as root: apt-get install $*"
    echo "installing: $*"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@" >/dev/null
}

rust_wanted() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

# Podman is looked for once: without it its test says that it was skipped.
install_podman() {
    command -v podman >/dev/null && return
    apt-cache policy podman 2>/dev/null | grep -q 'Candidate: [0-9]' || return 0
    install_packages podman || echo "Podman could not be installed; its test will be skipped"
}

# A cargo whose compiler is at least the version in Cargo.toml, with the formatter and the linter.
rust_fits() {
    local have
    have=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) && [ -n "$have" ] &&
        [ "$(printf '%s\n' "$(rust_wanted)" "$have" | sort -V | head -n 1)" = "$(rust_wanted)" ] &&
        cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1
}

install_rust() {
    echo "installing Rust (need $(rust_wanted) or newer, with rustfmt and clippy)"
    if ! command -v rustup >/dev/null; then
        if apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]'; then
            install_packages rustup
        else
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -q -y --no-modify-path ||
                fail "could not install Rust from https://sh.rustup.rs" \
                    "install Rust $(rust_wanted) or newer in another way, and run this again"
            PATH="$HOME/.cargo/bin:$PATH"
        fi
    fi
    rust_fits || rustup -q toolchain install stable --profile default >/dev/null
    rust_fits || rustup -q default stable >/dev/null
    rust_fits || fail "no Rust $(rust_wanted) or newer with rustfmt and clippy on PATH" "rustup default stable"
}

install_python() {
    echo "installing the AWS CLI, boto3 and pytest into .venv"
    # Debian's own interpreter where there is one: another one on PATH may lack the venv module or go away.
    local python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
    cp tests/clients/requirements.txt .venv/installed.txt
}

packages=$(missing_packages)
# shellcheck disable=SC2086 # one word per package
[ -z "$packages" ] || install_packages $packages
install_podman
rust_fits || install_rust
cmp -s tests/clients/requirements.txt .venv/installed.txt || install_python

command -v docker >/dev/null || fail "Docker Engine is not installed" \
    "see https://docs.docker.com/engine/install/debian/, or: apt-get install docker.io"
# Older clients end with 0 even when the daemon does not answer, and then have no version to print.
version=$(docker info --format '{{.ServerVersion}}' 2>&1) || true
if ! [[ $version =~ ^[0-9]+\.[0-9] ]]; then
    fail "Docker Engine does not answer: $(grep . <<<"$version" | tail -n 1)" \
        "is it running (systemctl start docker), and may this user use it (usermod -aG docker $(id -un))?"
fi
