#!/usr/bin/env bash
# Extract the i-vector of every utterance of a data set, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/extract_ivectors.sh --extractor DIR [--asr DIR] [option ...] DATA

  --extractor DIR   OUT/extractor of steps/train_ivector_extractor.sh
  --asr DIR         the recognizer that it was trained with (not needed with occupancy gmm)
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --features NAME   name of the result, conf/NAME.yaml (default: ivector)
  --out DIR         default: DATA/NAME
  --debug           show Python tracebacks

Writes DIR/feature.json, archives and log/ as steps/extract_features.sh does, DIR/trained_on.json, which the leak audit
reads, and DIR/without_statistics.tsv: utterances in which nobody speaks have the prior mean.
END
}

extractor="" asr="" nj=1 cmd=$ROOT/utils/job.sh features=ivector out="" positional=()
front_end_options "extractor asr nj cmd features out" "" "$@"
[ -n "$extractor" ] || fail "--extractor DIR is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected one data directory, found ${#positional[@]} arguments; see --help"
check_count nj
data=${positional[0]} out=${out:-${positional[0]}/$features}

front_end_environment
words=(--features "$features" --from "$extractor" --nj "$nj" --cmd "$cmd" --out "$out")
if [ -n "$asr" ]; then
  # --set reads words as a shell does, and values as YAML: two layers of quotes, so that the name may hold anything
  quoted=$(python -c 'import json, shlex, sys; print(shlex.quote("asr=" + json.dumps(sys.argv[1], ensure_ascii=False)))' "$asr")
  words+=(--set "$quoted")
fi
"$ROOT/steps/extract_features.sh" "${words[@]}" "$data"
python -m steps.ivector.extract --extractor "$extractor" --out "$out"
