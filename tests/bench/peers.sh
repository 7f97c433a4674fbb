#!/usr/bin/env bash
# The figures of `detent bench` that other ways of running a program can give, side by side with whatever of
# them is installed (apt install user-mode-linux qemu-user valgrind faketime strace proot). Arguments go to
# `detent bench`: peers.sh --rounds 3 --json peers.json --plot peers.svg
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
detent=${DETENT:-$here/../../build/detent}
figures=getppid,gettid,futex_wake,epoll_wait_ready,clock_gettime,futex_handoff,condvar_handoff
figures+=,eventfd_handoff,epoll_handoff,thread_create_join,start_up

under=()
# add PROGRAM NAME COMMAND: if the program is there.
add() {
  if command -v "$1" >/dev/null; then under+=(--under "$2=$3"); else echo "not installed: $1" >&2; fi
}
add qemu-x86_64 qemu qemu-x86_64
add valgrind valgrind 'valgrind -q --tool=none'
add faketime faketime 'faketime -f +0s'
add strace strace 'strace -f -o /dev/null'
add proot proot 'proot'
add linux.uml uml "$here/under_uml.sh"
exec "$detent" bench --only "$figures" "${under[@]}" "$@"
