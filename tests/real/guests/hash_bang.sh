#!/bin/dash -u
# Started by its own name: the loader reads the first line.
echo "name ${0##*/}, $# arguments"
for a in "$@"; do echo "[$a]"; done
case $- in *u*) echo "option u" ;; esac
exit 11
