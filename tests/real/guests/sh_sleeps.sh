# Loops of sleeps: seconds of waiting that cost none in virtual time.
before=$(date +%s)
for i in 1 2 3; do sleep 1; echo "tick $i"; done
for i in 3 1 2; do (sleep "$i"; echo "slept $i") & done
wait
after=$(date +%s)
elapsed=$((after - before))
[ "$elapsed" -ge 5 ] && [ "$elapsed" -le 30 ] && echo "about 6 seconds" || echo "took $elapsed"
i=0; while [ $i -lt 20 ]; do sleep 0.02; i=$((i + 1)); done; echo "$i short"
