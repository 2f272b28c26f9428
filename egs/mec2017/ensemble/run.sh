#!/usr/bin/env bash
# MEC 2017: the ensemble on the official split; test labels may be absent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory with train/ validation/ test/ and their tables; README.md"
option table      ""              "instead: one TSV of path, emotion, part ... (README.md)"
option corpora-dir ""             "speech to train ../../mandarin4k/asr on, where neither --asr nor --asr-onnx is given"
option protocol   official        "official" --choices "official"
option norms      "global"        "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option ivectors   ""              "kinds of i-vectors (gmm tokens clusters phone_states), with --asr and --extractors"
option asr        ""              "recogniser in the place of ../../mandarin4k/asr"
option asr-onnx   ""              "CTC model (model.onnx, tokens.txt) in its place; transcripts only"
option submit     "multitask_is10/norm-global" "system whose decisions on test are written"
option extractors "../../speechocean762/ivector/exp/ivector" "i-vector extractors, one directory a kind"
option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=mec2017 work=. results=RESULTS
[ "$size" = full ] || { work=$size; results=$size/RESULTS; }
[ -z "$table" ] || corpus=mec2017_table   # local/table.py reads it
data=$work/data/$corpus exp=$work/exp stage_dir=$work
. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"
. "$ROOT/steps/stages_asr.sh"

stage_prepare   1
stage_validate  2
stage_features  3 is10
stage_features  4 compare
stage_train     5 forest_is10    random_forest is10
stage_train     6 svm_is10       linear_svm    is10
stage_train     7 dnn_compare    dnn           compare
stage_train     8 dnn_is10       dnn           is10
stage_train     9 multitask_is10 multitask_dnn is10
n=9
for kind in $ivectors; do
  stage_ivectors $((n += 1)) "$kind"
  stage_train    $((n += 1)) "svm_ivector_$kind" linear_svm "ivector_$kind"
done
if [ -z "$asr$asr_onnx" ]; then
  asr=../../mandarin4k/asr/$work/exp/recogniser
  stage 16 "Train the recogniser" --in "$data/cuts.jsonl.gz" --out "$asr" -- ../../mandarin4k/asr/run.sh \
    --corpora-dir "$corpora_dir" --protect "$PWD/$data" --size "$size" --nj "$nj" --cluster "$cluster"
fi
stage_features   17 fbank
stage_transcribe 18
stage_permuted 20 is10
stage_audit    21
stage_score    22
stage_report   23
stage 24 "Write the submission" --in "$exp/scored/$protocol.json" --out "$exp/submission.tsv" -- \
  steps/write_submission.sh --protocol "$protocol" --system "$submit" --strip test- "$data" "$exp" "$exp/submission.tsv"
run_stages
