#!/usr/bin/env bash
# What each kind of stage needs; conf/cluster/<cluster>.yaml says how a cluster gives it.
# shellcheck disable=SC2034,SC2154  # ROOT comes from utils/recipe.sh; run.sh reads the rest
threads=4
[ "$size" = full ] || threads=1
cpu_cmd="$ROOT/utils/job.sh --mem 16G --num-threads 1"
train_cmd="$ROOT/utils/job.sh --mem 16G --num-threads $threads --time 72h"
[ "$gpus" -eq 0 ] || train_cmd+=" --gpu $gpus"
