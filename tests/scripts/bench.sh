#!/usr/bin/env bash
# Measures the release binary; see bench.py and bench_hook.py for what and how.
set -euo pipefail
source "$(dirname "$0")/environment.sh"

.venv/bin/python tests/scripts/bench.py "$@"
.venv/bin/python tests/scripts/bench_hook.py
.venv/bin/python tests/scripts/bench_credentials.py
