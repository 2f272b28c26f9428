#!/usr/bin/env bash
# MELD: what is said, as n-grams and a linear support vector machine, on the reference text.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory with train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv"
option allow-partial false        "go on when utterances of the published corpus are missing" --choices "true false"
option protocol   official        "official: the published parts" --choices "official"
option set        ""              "key=value ... over the model configuration"
option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin meld
norms=none seeds=0
recipe_stages

stage_prepare            1 --allow-partial "$allow_partial"
stage_validate           2
stage_train              3 text text_svm text:reference
stage_permuted           4 text:reference text_svm --set "$tiny$set"
stage_audit              5
stage_score              6
stage_report             7
run_stages
