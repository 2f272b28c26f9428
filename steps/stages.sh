#!/usr/bin/env bash
# The stages that recipes of utterance-level systems share, one function a kind of stage.
#
# A recipe sources this file after its options are parsed and then reads as a table of contents:
#     stage_features 3 is10
#     stage_train    5 forest_is10 random_forest is10
# The functions read the recipe's settings: corpus, data, exp, protocol, norms, seeds, set, size, nj, cluster, cpu_cmd,
# train_cmd.
# Each declares one stage (utils/stage.sh) with its inputs and outputs; nothing runs before run_stages.
# shellcheck disable=SC2154  # the settings above are the recipe's

: "${norms=global}" "${seeds=0}"   # of recipes without these options

# A run writes its results below $exp, so that it leaves the checkout clean. A full run continues from the committed ones;
# steps/publish_results.sh takes it over into them.
results=$exp/RESULTS committed=()
[ "$size" != full ] || committed=(--committed RESULTS.json)

# width_of_size: the setting width where it is empty; one outside what the models take is told before anything runs.
width_of_size() {
  if [ -z "$width" ]; then
    width=1.0
    [ "$size" = full ] || width=0.0625
  fi
  local number='^0*([0-3]?(\.[0-9]+)?|4(\.0+)?)$' too_small='^0*(\.(0|00[0-9]*)?)?$'
  [[ $width =~ $number && ! $width =~ $too_small ]] || _o_fail "--width is '$width'; accepted: 0.01 to 4"
}

# wants NAME ...: whether one of these subsystems is trained in this run (--only names some; empty: all).
wants() {
  local name
  [ -n "$only" ] || return 0
  for name in "$@"; do
    case " $only " in *[[:space:]]"$name"[[:space:]]*) return 0 ;; esac
  done
  return 1
}

# members NAME ...: the list inputs gets those of these subsystems that a stage trains.
members() {
  local name
  for name in "$@"; do
    case " ${trained[*]} " in *" $exp/$name/$protocol "*) inputs+=(--in-member "$name=$exp/$name/$protocol") ;; esac
  done
}

# every_member: the list inputs gets all that stages train.
every_member() {
  local directory
  for directory in "${trained[@]}"; do inputs+=(--in-member "$(basename "$(dirname "$directory")")=$directory"); done
}

# stage_synthesize N [CORPUS [option ...]]: make the recordings of a synthetic corpus (default: $corpus) under $corpus_dir.
stage_synthesize() {
  local number=$1 of=${2:-$corpus}; shift; [ $# -eq 0 ] || shift
  stage "$number" "Synthesize the corpus" --out "$corpus_dir" -- \
    steps/synthesize_corpus.sh --corpus "$of" --size "$size" --seed "$synthesis_seed" --nj "$nj" --cmd "$cpu_cmd" "$@" "$corpus_dir"
}

# stage_prepare N [option ...]: raw corpus -> manifest and splits. The corpus is $corpus_dir as local/$corpus.py reads it,
# or, where the recipe has a setting of that name, $table; the settings allow_partial, fields, drop_duplicates and
# merge_speakers are passed on, if they say anything. Options go to steps/prepare_data.sh.
stage_prepare() {
  local number=$1 source=() module=$ROOT/local/$corpus.py; shift
  [ -f "$module" ] || module=$ROOT/local/table.py
  case "${allow_partial:-false} $*" in true*--allow-partial* | false*) ;; *) set -- --allow-partial "$allow_partial" "$@" ;; esac
  [ "${drop_duplicates:-false}" = false ] || set -- --drop-duplicates true "$@"
  [ "${merge_speakers:-false}" = false ] || set -- --merge-speakers true "$@"
  [ -z "${fields:-}" ] || set -- --fields "$fields" "$@"
  case " ${norms:-} " in *[[:space:]]speaker[[:space:]]*) set -- --need-speakers "$@" ;; esac
  if [ -n "${table:-}" ]; then source+=(--in "$table"); set -- --table "$table" "$@"; fi
  if [ -n "$corpus_dir" ] || [ -z "${table:-}" ]; then source+=(--in-audio "$corpus_dir"); fi
  stage "$number" "Prepare the manifest and the splits" --in "$ROOT/conf/fields.yaml" "${source[@]}" --in-code "$module" \
    --out-names "$data/cuts.jsonl.gz" --out-same "$data/cuts.jsonl.gz" --out-same "$data/corpus.json" --out-same "$data/splits" -- \
    steps/prepare_data.sh --corpus "$corpus" --corpus-dir "$corpus_dir" --size "$size" "$@" "$data"
}

# stage_validate N: decode every recording, check labels and splits, print a summary.
stage_validate() {
  stage "$1" "Validate the data set" --in "$data/cuts.jsonl.gz" --in "$data/splits" \
    --out "$data/validation.json" --out "$data/duplicates.tsv" --out "$data/audio_hashes.tsv" \
    --out "$data/fingerprints.npz" -- steps/validate_data.sh --nj "$nj" "$data"
}

# stage_features N FEATURES [DIR]: extract one kind of features (conf/FEATURES.yaml) for every utterance, or take them from
# DIR/<id>.npy.
stage_features() {
  local from=() words=()
  [ -z "${3:-}" ] || from=(--in-audio "$3") words=(--from "$3")
  stage "$1" "Extract $2" --in-sound "$data/cuts.jsonl.gz" "${from[@]}" --out "$data/$2" -- \
    steps/extract_features.sh --features "$2" "${words[@]}" --nj "$nj" --cmd "$cpu_cmd" "$data"
}

# reads DATA "INPUT ...": the list inputs gets the manifest and what these inputs are read from (steps/inputs/opening.py).
reads() {
  local name
  inputs+=(--in "$1/cuts.jsonl.gz")
  for name in $2; do
    case $name in
      text:asr | text:nbest) inputs+=(--in "$1/layers/asr") ;;
      text:*) ;; # a field of the manifest
      images) inputs+=(--in-images "$1/cuts.jsonl.gz") ;;
      waveform*) inputs+=(--in-sound "$1/cuts.jsonl.gz") ;;
      embedding:*) name=${name#*:} inputs+=(--in "$exp/${name%%/*}/$protocol") ;;
      *) inputs+=(--in "$1/$name") ;;
    esac
  done
}

# stage_train N SUBSYSTEM CONFIG "INPUT ..." [option ...]: every normalization (of text: every kind), fold and seed of one
# subsystem. Options go to steps/train_subsystem.sh, in any order; --init none: random weights. --own "KEY=VALUE ...": settings
# of the subsystem; what --set of the recipe says has the last word. With --targets (empty: the default one) several trainings
# of a subsystem stand side by side, so that the outputs are named variant by variant.
stage_train() {
  local number=$1 subsystem=$2 config=$3 read=$4 directory=$exp/$2/$protocol own="" which=$norms inputs=() words=() norm mark
  local outputs=(--out "$directory"); shift 4
  reads "$data" "$read"
  case " $read " in *" text:asr "* | *" text:nbest "*) hearing+=("$subsystem") ;; esac
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || _o_fail "stage_train $number $subsystem: $1 needs a value"
    case $1 in
      --own) own="$2 " ;;
      --norms) which=$2 ;;
      *) words+=("$1" "$2") ;;
    esac
    case $1 in
      --augment) reads "$2" "$read" ;;
      --init) if [ "$2" != none ]; then inputs+=(--in "$2"); started+=("$subsystem"); fi ;;
      --targets) mark=${2// /-} outputs=() ;;
    esac
    shift 2
  done
  if [ ${#outputs[@]} -eq 0 ]; then
    outputs+=(--out "$directory/subsystem${mark:+.$mark}.json")
    for norm in $which; do outputs+=(--out "$directory/norm-$norm${mark:++target-$mark}"); done
  fi
  stage "$number" "Train $subsystem" --name "$subsystem" --in "$data/splits/$protocol.tsv" "${inputs[@]}" "${outputs[@]}" -- \
    steps/train_subsystem.sh --config "$config" --inputs "$read" --protocol "$protocol" --norms "$which" \
    --seeds "$seeds" --set "$tiny$own$set" --nj "$nj" "${shares[@]}" --cmd "$train_cmd" "${words[@]}" "$data" "$directory"
  trained+=("$directory")
}

# stage_fuse N SUBSYSTEM ...: linear sums of these subsystems' log-posteriors, fitted on dev; one becomes the primary
# system. One that no stage trains (without a recognizer, say) is left out, with a note. Where a recipe has the setting
# extended, each variant is fused a second time, with these too (...+extended), and dev chooses among all.
stage_fuse() {
  local number=$1 inputs=() outputs=() more=() variants="" name how norm; shift
  for name in $only; do   # whoever asks for one wants it fused
    case " $* ${extended:-} " in *" $name "*) ;; *) set -- "$@" "$name" ;; esac
  done
  [ -z "${extended:-}" ] || more=(--extended "$extended")
  for norm in $norms; do variants+="norm-$norm ${noise:+norm-$norm+aug }"; done
  # shellcheck disable=SC2086  # one name a word
  members "$@" ${extended:-}
  for how in equal simplex logistic; do
    outputs+=(--out "$exp/fusion_$how/$protocol")
    trained+=("$exp/fusion_$how/$protocol")
  done
  stage "$number" "Fuse" --at-least 2 --in "$data/splits/$protocol.tsv" "${inputs[@]}" "${outputs[@]}" --out "$exp/fusion/$protocol.json" -- \
    steps/fuse_subsystems.sh --leave-out "{left-out}" --protocol "$protocol" --subsystems "$*" --variants "$variants" \
    "${more[@]}" "$data" "$exp"
}

# stage_noisy_set N SNR PROTOCOL/PART TO FEATURES ...: noise behind the utterances of a part at this ratio in dB (or random,
# to train with) -> the data set TO, with its features.
stage_noisy_set() {
  local number=$1 snr=$2 part=$3 to=$4 inputs=() outputs=() name; shift 4
  for name in "$@"; do outputs+=(--out "$to/$name"); done
  [ -z "${musan:-}" ] || inputs=(--in-audio "$musan")
  stage "$number" "Noise, $snr dB" --in-sound "$data/cuts.jsonl.gz" --in-late "$data/cuts.jsonl.gz" \
    --in-late "$data/corpus.json" --in-late "$data/splits" "${inputs[@]}" \
    --out "$to/cuts.jsonl.gz" --out "$to/corpus.json" --out "$to/splits" --out "$to/audio" "${outputs[@]}" -- \
    steps/make_noisy_set.sh --snr "$snr" --parts "$part" --musan "${musan:-}" --features "$*" --nj "$nj" --cmd "$cpu_cmd" \
    "$data" "$to"
}

# stage_robustness N "FEATURES ..." SYSTEM ...: trained systems at the ratios $noise, whose sets have these features
# -> $exp/robustness.
stage_robustness() {
  local number=$1 features=$2 conditions="" inputs=() systems=() how=--in-if-there ratio to system name; shift 2
  for ratio in $noise; do
    to=${data}_snr$ratio
    inputs+=(--in "$to/cuts.jsonl.gz")
    for name in $features; do inputs+=(--in "$to/$name"); done
    if [ -n "$transcribed" ] && wants ${hearing[@]+"${hearing[@]}"}; then
      inputs+=(--in "$to/layers/asr")
    elif [ -n "$transcribed" ]; then
      inputs+=(--in-if-there "$to/layers/asr")
    fi
    conditions+="snr$ratio=$to "
  done
  for system in "$@"; do
    case $system in fusion_*) ;; *) wants "$system" || continue ;; esac
    case " ${trained[*]} " in *" $exp/$system/$protocol "*) systems+=("$system") ;; esac
  done
  members "${systems[@]}"
  if wants multitask_ivector; then how=--in; fi
  if [ -n "${own_kind:-}" ]; then
    for ratio in $noise; do inputs+=("$how" "${data}_snr$ratio/ivector_$own_kind"); done
  fi
  stage "$number" "Robustness" "${inputs[@]}" --out "$exp/robustness/$protocol.json" -- \
    steps/score_robustness.sh --leave-out "{left-out}" --protocol "$protocol" --conditions "$conditions" \
    --subsystems "${systems[*]}" --nj "$nj" "${shares[@]}" --cmd "$cpu_cmd" "$data" "$exp"
}

# stage_permuted N "INPUT ..." [CONFIG [option ...]]: the linear SVM, or another subsystem, on permuted labels, which must fall
# to chance (the audit checks it).
stage_permuted() {
  local number=$1 read=$2 config=${3:-linear_svm} inputs=(); shift 2; [ $# -eq 0 ] || shift
  reads "$data" "$read"
  stage "$number" "Train on permuted labels" "${inputs[@]}" --in "$data/splits/$protocol.tsv" --out "$exp/permuted/$protocol" -- \
    steps/train_subsystem.sh --config "$config" --inputs "$read" --protocol "$protocol" --norms global --seeds 0 \
    --permute-labels --nj "$nj" "${shares[@]}" --cmd "$train_cmd" "$@" "$data" "$exp/permuted/$protocol"
}

# stage_audit N: who and what is shared between the parts, and whether permuted labels fall to chance.
stage_audit() {
  local inputs=() kind
  members "${started[@]}"
  for kind in ${kinds[@]+"${kinds[@]}"}; do inputs+=(--in-if-there "$data/ivector_$kind"); done
  if [ -n "${transcribed:-}" ]; then inputs+=(--in-if-there "$data/layers/asr"); fi
  stage "$1" "Audit for leaks" "${inputs[@]}" --in "$data/cuts.jsonl.gz" --in "$data/splits" --in "$data/audio_hashes.tsv" \
    --in "$exp/permuted/$protocol" --out "$exp/audit/$protocol.json" -- \
    steps/audit_leaks.sh --leave-out "{left-out}" --protocol "$protocol" --permuted "$exp/permuted/$protocol" "$data" "$exp"
}

# stage_score N [option ...]: every trained subsystem -> $exp/RESULTS.{json,md}. The setting recipe_options: options
# of the recipe that chose what is trained, for the rows' command.
stage_score() {
  local number=$1 inputs=() chosen; shift
  [ -z "${noise:-}" ] || inputs+=(--in "$exp/robustness/$protocol.json")
  every_member
  chosen=${recipe_options:-}
  [ -z "$only" ] || chosen+="--only '$only' "   # a fusion is one of what is there
  if [ -n "$chosen" ]; then set -- --recipe-options "$chosen" "$@"; fi
  stage "$number" "Score" "${inputs[@]}" --in "$exp/audit/$protocol.json" \
    --out "$exp/scored/$protocol.json" --update "$results.json" -- \
    steps/score.sh --leave-out "{left-out}" --protocol "$protocol" --results "$results" "${committed[@]}" "$@" "$data" "$exp"
}

# stage_report N: one page with tables, pictures and the worst errors.
stage_report() {
  local inputs=()
  every_member
  case " ${trained[*]} " in *" $exp/fusion_equal/$protocol "*) inputs+=(--in-if-there "$exp/fusion/$protocol.json") ;; esac
  if [ -n "${noise:-}" ]; then inputs+=(--in "$exp/robustness/$protocol.json"); fi
  stage "$1" "Write the report" --in "$exp/scored/$protocol.json" --in "$data/validation.json" "${inputs[@]}" \
    --out "$exp/report/index.html" -- \
    steps/make_report.sh --leave-out "{left-out}" --protocol "$protocol" --results "$results" "$data" "$exp"
}

# stage_export_one N SUBSYSTEM "INPUT ..." [option ...]: one subsystem in its first normalization -> $exp/model. Options go to
# steps/export.sh.
stage_export_one() {
  local number=$1 subsystem=$2 read=$3 inputs=(); shift 3
  reads "$data" "$read"
  stage "$number" "Export the model" --in "$exp/$subsystem/$protocol" "${inputs[@]}" --in "$data/splits/$protocol.tsv" \
    --in "$data/audio_hashes.tsv" --in "$exp/audit/$protocol.json" --out "$exp/model" -- \
    steps/export.sh --data "$data" "$@" "$exp/$subsystem/$protocol/norm-${norms%% *}" "$exp/model"
}

# stage_export N SUBSYSTEM ...: the primary fusion of these as one directory -> $exp/model (utils/emotion.sh uses it).
stage_export() {
  local number=$1 inputs=() words=(); shift
  if [ "$asr" != none ]; then inputs+=(--in-if-there "$asr") words+=(--asr "$asr"); fi
  if [ -n "$ivectors" ]; then inputs+=(--in-if-there "$extractors") words+=(--ivectors "$extractors"); fi
  members "$@"
  stage "$number" "Export the model" --in "$exp/fusion/$protocol.json" --in "$data/cuts.jsonl.gz" \
    --in "$data/splits/$protocol.tsv" --in "$data/audio_hashes.tsv" --in "$exp/audit/$protocol.json" "${inputs[@]}" --out "$exp/model" -- \
    steps/export.sh --data "$data" "${words[@]}" "$exp/fusion/$protocol.json" "$exp/model"
}

# check_option NAME PATTERN ACCEPTED: the value of the option NAME fits, where this recipe has that option.
check_option() {
  local variable=${1//-/_}
  [ -z "${_o_default[$1]+set}" ] || [[ ${!variable} =~ $2 ]] || _o_fail "--$1 is '${!variable}'; accepted: $3"
}

# A slip in a setting is told now, not hours later by the stage that reads it.
check_settings() {
  local space='[[:space:]]' norm='(global|speaker|none)' seed='[0-9]{1,9}' ratio='-?[0-9]{1,2}(\.[0-9]+)?' kind name
  [ -z "${_o_default[table]-}" ] || [ -n "$table" ] ||
    _o_fail "--table is empty; it names the corpus: a table with one utterance a line"
  for name in nj nodes processes threads per-unit; do
    check_option "$name" '^[1-9][0-9]{0,5}$' "1 or more"
  done
  check_option lm-order '^[1-6]$' "1 to 6"
  check_option gpus '^[0-9]{1,4}$' "0 or more"
  [[ $seeds =~ ^$space*$seed($space+$seed)*$space*$ ]] ||
    _o_fail "--seeds is '$seeds'; accepted: whole numbers, such as \"0 1 2\""
  [[ $norms =~ ^$space*$norm($space+$norm)*$space*$ ]] ||
    _o_fail "--norms is '$norms'; accepted: one or more of global, speaker, none"
  [[ ${noise:-} =~ ^$space*($ratio($space+|$))*$ ]] ||
    _o_fail "--noise is '$noise'; accepted: ratios in dB, such as \"20 10 5 0\""
  [ -z "${_o_default[asr]-}" ] || [ -n "$asr" ] || _o_fail "--asr is empty; accepted: none, or a recognizer's directory"
  [ -z "${ivectors:-}" ] || [[ $ivectors =~ [^[:space:]] ]] ||
    _o_fail "--ivectors is blank; accepted: kinds such as phone_states, or \"\" for none"
  for kind in ${ivectors:-}; do
    [ -f "conf/ivector_$kind.yaml" ] || [ -f "$ROOT/conf/ivector_$kind.yaml" ] ||
      _o_fail "--ivectors has '$kind'; accepted: kinds with a conf/ivector_KIND.yaml: phone_states, gmm, tokens, clusters"
  done
  case $cluster in
    *.yaml | *.yml) [ -f "$cluster" ] || _o_fail "--cluster $cluster: no such file" ;;
    *) [ -f "conf/cluster/$cluster.yaml" ] || [ -f "$ROOT/conf/cluster/$cluster.yaml" ] ||
      _o_fail "--cluster is '$cluster'; accepted: local, slurm, sge, or a file name.yaml" ;;
  esac
}
check_settings

# Tiny shows that the recipe works: its models are small, too (the group tiny: of their configurations), and a process
# trains several of them, since to start one takes longer than to train.
tiny="" shares=(--tasks auto)
if [ "$size" = tiny ]; then tiny="size=tiny " shares=(--tasks "$nj"); fi
trained=() started=() hearing=()
