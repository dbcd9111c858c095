#!/usr/bin/env bash
# Writes the table of operations that the program serves between its two marks in the README.
set -euo pipefail
source "$(dirname "$0")/environment.sh"

cargo build --quiet --locked
table=$(target/debug/sealdock coverage --format markdown)
readme=$(TABLE=$table awk '
    /^<!-- coverage:/ { print; print ENVIRON["TABLE"]; skip = 1 }
    /^<!-- end of coverage/ { skip = 0 }
    !skip
' README.md)
printf '%s\n' "$readme" >README.md
