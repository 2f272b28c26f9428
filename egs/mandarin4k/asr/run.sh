#!/usr/bin/env bash
# A Mandarin recognizer from about 4000 hours of open corpora, any subset of them, on one or several nodes with GPUs.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpora-dir ""             "directory with a directory for each corpus; README.md says where to get them"
option corpora "aishell aishell3 aishell4 alimeeting magicdata kespeech st_cmds thchs30 wenetspeech" "any of them"
option protect     ""             "prepared data sets whose sentences and recordings must not be trained on"
option config      asr_large      "the recognizer's configuration: asr_large, asr_base, asr_small"
option set         ""             "key=value ... over the recognizer's configuration"
option nodes       1              "machines that train together" --int
option gpus        8              "processes on each, one a GPU; 0: one process on the CPU" --int
option lm-order    3              "of the n-grams of characters and words" --int
option size        full           "full, or tiny: the synthetic set in the place of the corpora" --choices "full tiny"
option nj          8              "parallel tasks" --int --free
option cluster     local          "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin mandarin4k
protocol=official synthesis_seed=0
if [ "$size" = tiny ]; then
  corpora=mini corpora_dir=tiny/corpora config=asr_small gpus=0
  set="units.vocabulary=80 units.fallback=unknown units.minimum_count=1 $set"
fi
prepared=$work/data/prepared shar=$work/data/shar
corpus_dir=$prepared processes=$((gpus > 0 ? gpus : 1))
directories="" train_sets="" dev_sets=""
for name in $corpora; do
  directories+="$prepared/$name " train_sets+="$shar/train/$name "
  case $name in aishell3 | aishell4 | st_cmds) ;; *) dev_sets+="$shar/dev/$name " ;; esac
done
recipe_stages asr

if [ "$size" = tiny ]; then
  stage 1 "Synthesize a corpus" --out "$corpora_dir/mini" -- \
    steps/synthesize_corpus.sh --corpus mini --set asr --size tiny --nj "$nj" --cmd "$cpu_cmd" "$corpora_dir/mini"
fi
stage 2 "Prepare the corpora" --in-code "$ROOT/local/mandarin_speech/__init__.py" --in-audio "$corpora_dir" --out "$prepared" -- \
  steps/prepare_speech.sh --corpora "$corpora" --corpora-dir "$corpora_dir" --cmd "$cpu_cmd" "$prepared"
stage 3 "Find doubles" --in "$prepared" --out "$work/data/doubles.tsv" -- \
  steps/find_duplicates.sh --prepared "$directories" --protect "$protect" "$work/data/doubles.tsv"
stage 4 "Export the sets" --in "$prepared" --in "$work/data/doubles.tsv" --out "$shar" -- \
  steps/export_shar.sh --prepared "$directories" --doubles "$work/data/doubles.tsv" --nj "$nj" --cmd "$cpu_cmd" "$shar"
stage 5 "Train the recognizer" --in "$shar" --out "$exp/asr" -- \
  steps/train_recognizer.sh --config "$config" --train-sets "$train_sets" --dev-sets "$dev_sets" \
  --set "$tiny$set" --nodes "$nodes" --processes "$processes" --cmd "$asr_cmd" "$exp/asr"
stage 6 "Train the language model" --in "$shar" --out "$exp/lm.arpa" -- \
  steps/train_language_model.sh --text "$shar/train.txt" --order "$lm_order" --out "$exp/lm.arpa"
stage_prepare     7
stage_features    8 fbank
stage_graph       9 asr
stage_decode     10 greedy asr greedy test
stage_decode     11 graph  asr graph  test
stage_transcripts 12 --part test
stage_bundle_asr   13 asr
run_stages
