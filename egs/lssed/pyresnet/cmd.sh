#!/usr/bin/env bash
# What each kind of stage needs; conf/cluster/<cluster>.yaml says how a cluster gives it.
# shellcheck disable=SC2034,SC2154  # ROOT comes from utils/recipe.sh; run.sh reads the rest
# 256 utterances of 320 frames in PyResNet-50 take 32 GiB of a CPU's memory (tests/bench/lssed_scale.sh --network); a GPU
# has its own.
threads=4 memory=48G
[ "$size" = full ] || threads=1 memory=16G
[ "$gpus" -eq 0 ] || memory=16G
cpu_cmd="$ROOT/utils/job.sh --mem 16G --num-threads 1"
train_cmd="$ROOT/utils/job.sh --mem $memory --num-threads $threads --time 72h"
[ "$gpus" -eq 0 ] || train_cmd+=" --gpu $gpus"
