#!/usr/bin/env bash
# Add a recognizer's transcripts to a data set, as layers beside it, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END_OF_USAGE'
Usage: steps/transcribe.sh (--asr DIR | --asr-onnx DIR | --text FILE) [option ...] DATA

  --asr DIR         recognizer of this repository, or a foreign one as model.onnx with tokens.txt
  --asr-onnx DIR    foreign recognizer: model.onnx (filter banks of 80 in, log-probabilities out) and tokens.txt
  --text FILE       transcripts of another recognizer: Kaldi text (`id word ...`), or TSV with a header
                    (id, text and any of confidence, nbest)
  --method M        greedy, prefix or graph (default: graph with --graph, else prefix)
  --graph DIR       decoding graph
  --set "KEY=VALUE ..."   over conf/asr_decode.yaml
  --device D        of the network: cpu or cuda (default: cpu)
  --trained-on PATH directory or JSON file (trained_on.json) that says what made the transcripts was trained on, for
                    the leak audit; --asr and --graph directories are looked at anyhow
  --allow-missing   utterances that FILE of --text lacks get an empty text
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --debug           show Python tracebacks

Writes the layer DATA/layers/asr with the fields asr_text, asr_confidence and asr_nbest, and DATA/layers/asr_words with
the words' times where they are known; the data set itself stays as it is. --asr reads the features in DATA/fbank. Every
utterance comes out: one that could not be recognized has an empty text and confidence 0, and is listed. An interrupted
run is taken up at the tasks that are missing.
END_OF_USAGE
}

asr="" asr_onnx="" text="" method="" graph="" set="" device="" trained_on="" nj=1 cmd=$ROOT/utils/job.sh
allow_missing=false positional=()
front_end_options "asr asr-onnx text method graph set device trained-on nj cmd" "allow-missing" "$@"
[ "${#positional[@]}" -ne 2 ] || fail "transcripts are a layer of DATA now (${positional[0]}/layers/asr): leave ${positional[1]} out"
[ "${#positional[@]}" -eq 1 ] || fail "expected the data directory, found ${#positional[@]} arguments"
check_count nj
data=${positional[0]%/} out=${positional[0]%/}/layers/asr
given=0
for name in asr asr_onnx text; do if [ -n "${!name}" ]; then given=$((given + 1)); fi; done
[ "$given" -eq 1 ] || fail "give one of --asr DIR, --asr-onnx DIR and --text FILE; see --help"
if [ -n "$text" ]; then
  for name in method graph set device; do
    [ -z "${!name}" ] || fail "--$name does not go with --text, which is decoded already"
  done
elif "$allow_missing"; then
  fail "--allow-missing goes with --text only"
fi
if [ -n "$asr_onnx" ]; then
  [ -f "$asr_onnx/model.onnx" ] || fail "--asr-onnx $asr_onnx: no model.onnx there"
  asr=$asr_onnx
fi
if [ -z "$method" ]; then if [ -n "$graph" ]; then method=graph; else method=prefix; fi; fi

front_end_environment

attach=(python -m steps.asr.transcripts.transcribe)
[ -z "$trained_on" ] || attach+=(--trained-on "$trained_on")
if "$allow_missing"; then attach+=(--allow-missing); fi
if [ -n "$asr" ]; then
  decode=("$ROOT/steps/decode_transcripts.sh" --asr "$asr" --method "$method" --nj "$nj" --cmd "$cmd")
  [ -z "$graph" ] || decode+=(--graph "$graph")
  [ -z "$set" ] || decode+=(--set "$set")
  [ -z "$device" ] || decode+=(--device "$device")
  "${decode[@]}" "$data" "$out/decoded"
  [ -z "$graph" ] || attach+=(--trained-on "$graph")
  attach+=(--asr "$asr") text=$out/decoded/hypotheses.tsv
fi
"${attach[@]}" --text "$text" "$data"
