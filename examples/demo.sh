#!/usr/bin/env bash
# The demonstration behind `./dev run`. DETENT names the binary.
set -euo pipefail
detent=${DETENT:-$(dirname -- "$0")/../build/detent}
echo "an hour of sleep, in virtual time:"
time "$detent" run --time=virtual -- /bin/sleep 3600
