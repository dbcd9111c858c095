#!/usr/bin/env bash
# Builds the release binary. Says so first, since the first time takes minutes.
set -euo pipefail
source "$(dirname "$0")/environment.sh"

[ -x target/release/sealdock ] || echo "building sealdock (the first time takes some minutes)"
cargo build --release --locked --quiet
