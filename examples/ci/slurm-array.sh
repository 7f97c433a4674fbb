#!/bin/sh
# Eight shards of one campaign as a Slurm array:
#   sbatch --wait slurm-array.sh ./my-test; detent merge shard-*.json
#SBATCH --array=0-7
#SBATCH --output=shard-%a.txt
exec detent explore -n 100000 --json "shard-$SLURM_ARRAY_TASK_ID.json" -- "$@"
