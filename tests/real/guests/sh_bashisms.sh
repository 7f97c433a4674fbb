# What only bash has: process substitution, coproc, pipefail, job control, read -t, arrays, time.
set -o pipefail
false | true; echo "pipefail $? ${PIPESTATUS[*]}"
diff <(seq 3) <(seq 4); echo "diff $?"
tee >(sort -r > "$TMPDIR/sorted") <<< $'a\nb\nc' > /dev/null; sleep 0.5; cat "$TMPDIR/sorted"
coproc UP { while read -r x; do echo "${x^^}"; done; }
echo shout >&"${UP[1]}"; read -r -u "${UP[0]}" y; echo "$y"
exec {UP[1]}>&-; wait "$UP_PID"; echo "coproc $?"
read -t 0.1 x < <(sleep 5); echo "read $((${?} > 128))"
declare -A map=([k]=v [l]=w); for k in k l; do echo "$k=${map[$k]}"; done
SECONDS=0; sleep 2; ((SECONDS >= 2)) && echo "two seconds"
for i in 2 8 14; do (sleep $((i / 10)).$((i % 10)); exit "$i") & done  # far apart: bash may reap two at once
wait -n; echo "first $?"
wait -n; echo "second $?"
wait
exec 5<>/dev/null; echo "fd 5 $?"
(echo "in $BASH_SUBSHELL"; exec bash -c 'echo "exec $0 $*"' name a b)
printf '%(%Y)T\n' 0
trap 'echo "err at $LINENO"' ERR; false; trap - ERR
trap 'echo alarm; exit 14' ALRM; (sleep 0.1; kill -ALRM $$) &
while :; do :; done
