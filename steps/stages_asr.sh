#!/usr/bin/env bash
# The stages of recognizers and i-vector extractors, one function a kind of stage; see steps/stages.sh.
#
# The functions read the recipe's settings: data, exp, protocol, set, nj, cpu_cmd, train_cmd, asr_cmd, config,
# extractors, asr, and the list speeds: features of other speeds that training needs (--in DIR ...).
# shellcheck disable=SC2154,SC2034  # the settings are the recipe's

# stage_transcribe N [DATA]: transcripts of the whole corpus, or of the data set DATA, by the recognizer $asr, with its graph
# where it has one -> the layers DATA/layers/asr and asr_words. An $asr_onnx is taken instead.
stage_transcribe() {
  local set_of=${2:-$data} from=(--asr "$asr")
  if [ -n "${asr_onnx:-}" ]; then from=(--asr-onnx "$asr_onnx"); fi
  if [ -z "${asr_onnx:-}" ]; then from+=(--graph "$asr/graph"); fi
  stage "$1" "Transcribe" --in-sound "$set_of/cuts.jsonl.gz" --in "$set_of/fbank" --in "${from[1]}" --conf asr_decode \
    --in-late "$set_of/cuts.jsonl.gz" --out "$set_of/layers/asr" -- \
    steps/transcribe.sh "${from[@]}" --nj "$nj" --cmd "$cpu_cmd" "$set_of"
  [ "$set_of" != "$data" ] || transcribed=true
}

# stage_phone_states N NAME LEXICON "KEY=VALUE ..." [RECOGNIZER]: phone states by forced alignment -> $exp/NAME; without
# a recognizer from a flat start.
stage_phone_states() {
  local number=$1 name=$2 lexicon=$3 phones_set=$4 recognizer=${5:-} inputs=() words=()
  [ "$lexicon" = graphemes ] || inputs+=(--in "$lexicon")
  if [ -n "$recognizer" ]; then inputs+=(--in "$exp/$recognizer"); words+=(--asr "$exp/$recognizer"); fi
  stage "$number" "Align phone states${recognizer:+ with $recognizer}" --conf phone_states --in "$data/fbank" --in "$data/cuts.jsonl.gz" \
    --in "$data/splits/$protocol.tsv" "${inputs[@]}" --out "$exp/$name" -- \
    steps/train_phone_states.sh --lexicon "$lexicon" --split "$protocol" --cmd "$asr_cmd" "${words[@]}" \
    --set "$phones_set $tiny" "$data" "$exp/$name"
}

# stage_recognizer N NAME [option ...]: train a recognizer on $data -> $exp/NAME. Options go to steps/train_recognizer.sh.
stage_recognizer() {
  local number=$1 name=$2 inputs=() words=("$@") index; shift 2
  for index in "${!words[@]}"; do
    [ "${words[index]}" != --alignment ] || inputs+=(--in "${words[index + 1]}")
  done
  stage "$number" "Train the recognizer $name" --in "$data/fbank" --in "$data/cuts.jsonl.gz" \
    --in "$data/splits/$protocol.tsv" "${inputs[@]}" "${speeds[@]}" --out "$exp/$name" -- \
    steps/train_recognizer.sh --config "$config" --data "$data" --protocol "$protocol" \
    --set "$tiny$set" --cmd "$asr_cmd" "$@" "$exp/$name"
}

# stage_language_model N [option ...]: n-grams of the training transcripts -> $exp/lm.arpa.
stage_language_model() {
  local number=$1; shift
  stage "$number" "Train the language model" --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" \
    --out "$exp/lm.arpa" --out "$exp/lm.arpa.json" -- \
    steps/train_language_model.sh --data "$data" --split "$protocol" "$@" --out "$exp/lm.arpa"
}

# stage_graph N RECOGNIZER [option ...]: decoding graph, its weights tuned on dev -> $exp/graph.
stage_graph() {
  local number=$1 recognizer=$2 inputs=() words=("$@") index; shift 2
  for index in "${!words[@]}"; do
    [ "${words[index]}" != --more-words ] || inputs+=(--in "${words[index + 1]}")
  done
  stage "$number" "Build the decoding graph" --in "$exp/$recognizer" --in "$exp/lm.arpa" --in "$data/fbank" \
    --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" --conf asr_decode "${inputs[@]}" --out "$exp/graph" -- \
    steps/make_graph.sh --recognizer "$exp/$recognizer" --arpa "$exp/lm.arpa" --tune-on "$data" --split "$protocol" "$@" \
    --out "$exp/graph"
}

# stage_bundle_asr N RECOGNIZER [PHONE_STATES]: it, the graph and phone states in one directory -> $exp/recognizer.
stage_bundle_asr() {
  local inputs=() words=()
  if [ -n "${3:-}" ]; then inputs+=(--in "$exp/$3") words+=(--phone-states "$exp/$3"); fi
  stage "$1" "Put the recognizer together" --in "$exp/$2" --in "$exp/graph" "${inputs[@]}" --out "$exp/recognizer" -- \
    steps/bundle_asr.sh --asr "$exp/$2" --graph "$exp/graph" "${words[@]}" "$exp/recognizer"
}

# stage_decode N SYSTEM RECOGNIZER METHOD PART [option ...]: transcripts of a part -> $exp/hypotheses/SYSTEM/PART. The
# recognizer is a directory under $exp.
stage_decode() {
  local number=$1 system=$2 recognizer=$3 method=$4 part=$5 inputs=(--in "$exp/${3%%/*}"); shift 5
  if [ "$method" = graph ]; then inputs+=(--in "$exp/graph"); set -- --graph "$exp/graph" "$@"; fi
  stage "$number" "Decode $part: $system" --conf asr_decode --in "$data/fbank" --in "$data/splits/$protocol.tsv" "${inputs[@]}" \
    --out "$exp/hypotheses/$system/$part" -- \
    steps/decode_transcripts.sh --asr "$exp/$recognizer" --method "$method" --split "$protocol" --part "$part" \
    --nj "$nj" --cmd "$cpu_cmd" "$@" "$data" "$exp/hypotheses/$system/$part"
  decoded+=("$exp/hypotheses/$system/$part")
  case " ${systems[*]-} " in *" $system "*) ;; *) systems+=("$system") ;; esac
}

# stage_transcripts N [option ...]: word error rates of all that was decoded -> $exp/RESULTS.{json,md}, a page of alignments.
stage_transcripts() {
  local number=$1 inputs=() words=() directory system; shift
  for directory in "${decoded[@]}"; do inputs+=(--in "$directory"); done
  for system in "${systems[@]}"; do
    words+=(--system "$system=$exp/hypotheses/$system/{part}/hypotheses.tsv")
  done
  stage "$number" "Score the transcripts" --in "$data/cuts.jsonl.gz" "${inputs[@]}" \
    --out "$exp/scored/$protocol.json" --out "$exp/report/transcripts.html" --update "$results.json" -- \
    steps/score_transcripts.sh --protocol "$protocol" "${words[@]}" --results "$results" "${committed[@]}" \
    --report "$exp/report/transcripts.html" "$@" "$data" "$exp"
}

# stage_extractor N KIND: i-vector extractor with this kind of occupancies -> $extractors/KIND. All kinds but gmm need $asr, a
# directory with phone states (stage_bundle_asr).
stage_extractor() {
  local number=$1 kind=$2 inputs=() words=()
  if [ "$kind" != gmm ]; then inputs+=(--in "$asr") words+=(--asr "$asr"); fi
  stage "$number" "Train the i-vector extractor: $kind" --in "$data/fbank" --in "$data/speaker_mfcc" \
    --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" --conf ivector_extractor "${inputs[@]}" \
    --out "$extractors/$kind" -- \
    steps/train_ivector_extractor.sh --occupancy "$kind" "${words[@]}" --split "$protocol/train" \
    --set "$tiny$set" --nj "$nj" --cmd "$train_cmd" "$data" "$extractors/$kind"
}

# stage_ivectors N KIND [DATA]: i-vectors of the whole corpus, or of the data set DATA, by $extractors/KIND
# -> DATA/ivector_KIND.
stage_ivectors() {
  local number=$1 kind=$2 set_of=${3:-$data} inputs=() words=()
  if [ "$kind" != gmm ]; then inputs+=(--in "$asr") words+=(--asr "$asr"); fi
  stage "$number" "Extract i-vectors: $kind" --in-sound "$set_of/cuts.jsonl.gz" --in "$extractors/$kind" "${inputs[@]}" \
    --out "$set_of/ivector_$kind" -- \
    steps/extract_ivectors.sh --features "ivector_$kind" --extractor "$extractors/$kind/extractor" "${words[@]}" \
    --nj "$nj" --cmd "$cpu_cmd" "$set_of"
  [ "$set_of" != "$data" ] || kinds+=("$kind")
}

# stage_verify N: equal error rates of all extractors on the test speakers -> $exp/RESULTS.{json,md}.
stage_verify() {
  local inputs=() words=() kind
  for kind in "${kinds[@]}"; do
    inputs+=(--in "$data/ivector_$kind")
    words+=(--extractor "$extractors/$kind/extractor" --ivectors "ivector_$kind")
  done
  stage "$1" "Verify speakers" --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" "${inputs[@]}" --out "$exp/verified.json" \
    --update "$results.json" -- \
    steps/verify_speakers.sh "${words[@]}" --split "$protocol/test" --results "$results" "${committed[@]}" \
    "$data" "$exp/verified.json"
}

decoded=() systems=() speeds=() kinds=() transcribed=""
