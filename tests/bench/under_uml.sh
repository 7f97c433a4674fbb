#!/usr/bin/env bash
# under_uml.sh PROG ARGS...: runs a program as the only process of a User Mode Linux whose root is the
# host's, and prints what it printed. For `detent bench --under` (peers.sh).
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
{
  printf '#!/bin/sh\nmount -t proc proc /proc\n'
  printf '%q ' "$@"
  printf '>%q/output\necho $? >%q/status\nsync\necho o >/proc/sysrq-trigger\nsleep 10\n' "$directory" "$directory"
} >"$directory/init"
chmod +x "$directory/init"
linux.uml mem=256M rootfstype=hostfs rootflags=/ rw quiet con=null con0=null init="$directory/init" \
  </dev/null >"$directory/console" 2>&1 || true
cat "$directory/output"
exit "$(cat "$directory/status")"
