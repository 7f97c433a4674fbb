# A loop of sleeps, one child at a time, and what they print in between.
for i in 1 2 3; do sleep 1; echo "tick $i"; done
i=0; while [ $i -lt 20 ]; do sleep 0.02; i=$((i + 1)); done; echo "$i short"
(sleep 2; echo inner) | cat; sleep 1 && echo end
