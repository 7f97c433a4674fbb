# For bash and dash: pipelines, substitution, here-documents, redirections, statuses, functions.
seq 100 | sort -rn | head -3 | tr '\n' ' '; echo
false | true; echo "pipeline $?"
true | false; echo "pipeline $?"
echo "nested $(echo "a $(echo b | tr b c) d")"
x=$(printf 'one\ntwo\n' | while read -r line; do echo "<$line>"; done); echo "$x"
cat <<END
here $((6 * 7)) $(echo document)
END
cat <<'END' | sed 's/\$/D/'
no $expansion
END
f() { local n=$1; [ "$n" -le 1 ] && { echo 1; return; }; echo $((n * $(f $((n - 1))))); }
echo "factorial $(f 6)"
/no/such/program 2>/dev/null; echo "missing $?"
/etc/passwd 2>/dev/null; echo "not executable $?"
(exit 9); echo "subshell $?"
sh -c 'kill -TERM $$'; echo "terminated $?"
sh -c 'kill -SEGV $$' 2>/dev/null; echo "crashed $?"
cd "$TMPDIR" && mkdir d && cd d && pwd
for i in 1 2 3; do echo "$i" > "f$i"; done
echo *; cat f? | wc -l
exec 3>log; echo to-three >&3; exec 3>&-; cat log
{ echo out; echo err >&2; } > both 2>&1; cat both
mkfifo fifo; echo through-fifo > fifo & cat fifo; wait
yes | head -n 1000 | wc -l
find / -maxdepth 1 -name etc 2>/dev/null
env -i A=b /usr/bin/env
printf 'c\na\nb\n' | sort | uniq | xargs -n1 echo item
dd if=/dev/zero bs=4096 count=64 2>/dev/null | cksum
read -r first rest; echo "stdin: [$first]"
set -e; (false; echo not reached) || echo "errexit $?"
exit 3
