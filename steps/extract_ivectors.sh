#!/usr/bin/env bash
# Extract the i-vector of every utterance of a data set, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "${BASH_SOURCE[0]}")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/extract_ivectors.sh --extractor DIR [--asr DIR] [option ...] DATA

  --extractor DIR   OUT/extractor of steps/train_ivector_extractor.sh
  --asr DIR         the recogniser that it was trained with (not needed with occupancy gmm)
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
[[ ! $asr =~ [[:space:]] ]] || fail "--asr '$asr': its name holds white space; name it by a link without"
check_count nj
data=${positional[0]} out=${out:-${positional[0]}/$features}

words=(--features "$features" --from "$extractor" --nj "$nj" --cmd "$cmd" --out "$out")
[ -z "$asr" ] || words+=(--set "asr=$asr")
"$ROOT/steps/extract_features.sh" "${words[@]}" "$data"

front_end_environment
python -m steps.ivector.extract --extractor "$extractor" --out "$out"
