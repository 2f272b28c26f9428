#!/usr/bin/env bash
# What each kind of stage needs; conf/cluster/<cluster>.yaml says how a cluster gives it.
# shellcheck disable=SC2034,SC2154  # ROOT comes from utils/recipe.sh; run.sh reads the rest
cpu_cmd="$ROOT/utils/job.sh --mem 2G --num-threads 1"
train_cmd="$ROOT/utils/job.sh --mem 6G --num-threads 1 --time 24h"
[ "$gpus" -eq 0 ] || train_cmd+=" --gpu $gpus"
