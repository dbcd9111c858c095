#!/usr/bin/env bash
# Everything that guards the project, in the order that fails fastest. `make test` and continuous integration run this.
set -euo pipefail
source "$(dirname "$0")/environment.sh"

step "format"
cargo fmt --check
step "lints"
cargo clippy --all-targets --locked -- -D warnings
step "unit and integration tests (real Docker among them)"
# Far longer than it takes on two slow cores: whoever waits learns which test does not end.
timeout --kill-after=1m 45m cargo test --locked ||
    fail "a test failed, or did not end within 45 minutes" "the last lines above name it"
# Optimised and checked as the release is, but not linked as one program: that takes minutes and is for speed alone.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
step "release build"
tests/scripts/build.sh
step "AWS CLI and boto3 against the release binary; the command line; task launches on Docker"
.venv/bin/python -m pytest tests/clients
step "the demo, twice"
for round in 1 2; do
    make --no-print-directory run
    echo "demo round $round passed"
done
