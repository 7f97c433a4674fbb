# For bash and dash: background jobs and wait, traps, signals between processes, time-outs.
sleep 0.3 & a=$!
(sleep 0.1; exit 5) & b=$!
wait "$b"; echo "b $?"
wait "$a"; echo "a $?"
wait 999999 2>/dev/null; echo "stranger $?"
trap 'echo "usr1"' USR1
kill -USR1 $$
echo after
(sleep 0.1; kill -USR1 $$) & k=$!
sleep 0.5 & s=$!
wait "$s"; echo "interrupted $?"
wait "$s"; echo "then $?"
wait "$k"
trap '' TERM; kill -TERM $$; echo "ignored"
sh -c 'kill -TERM $$; echo "child ignores too"'
trap - TERM
sleep 100 & p=$!
kill "$p"; wait "$p"; echo "killed $?"
sleep 100 & p=$!
kill -KILL "$p"; wait "$p" 2>/dev/null; echo "killed $?"
kill -0 "$p" 2>/dev/null; echo "gone $?"
timeout 0.2 sleep 100; echo "timeout $?"
timeout -s KILL 0.2 sleep 100; echo "timeout $?"
timeout 5 sh -c 'exit 8'; echo "timeout $?"
n=0; for i in 1 2 3 4 5; do (sleep 0.0$i; exit "$i") & done
wait; echo "all $?"
sleep 100 & p=$!
kill -STOP "$p"; kill -CONT "$p"; kill "$p"; wait "$p"; echo "stopped and killed $?"
( trap 'echo "exit trap"; exit 4' EXIT; exit 1 ); echo "trap $?"
( trap 'echo "int"; exit 6' INT; kill -INT $(sh -c 'echo $PPID'); sleep 5 ); echo "int $?"
trap 'echo bye' EXIT
kill -TERM $$
