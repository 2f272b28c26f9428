#!/usr/bin/env bash
# Train the phone-state head that supplies i-vector occupancies, on forced alignments. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/train_phone_states.sh --lexicon FILE|graphemes [option ...] DATA OUT

  --lexicon FILE    Kaldi lexicon.txt; words that it lacks are spelled by their letters. graphemes: all words are
  --asr DIR         recognizer: places the words, gives its hidden states. Without one words are placed by energy
  --split NAME      protocol of DATA; its train and dev parts are used (default: official)
  --fold N          of the protocol (default: 1)
  --features NAME   features in DATA/NAME, those of the recognizer (default: fbank)
  --config NAME     conf/NAME.yaml, overlaid by the recipe's own (default: phone_states)
  --set "KEY=VALUE ..."   over the configuration
  --seed N          (default: 0)
  --cmd CMD         how the task is run (default: utils/job.sh)
  --device D        auto, cpu or cuda (default: auto)
  --debug           show Python tracebacks

Writes OUT/alignment.npz, phone_states.json, model.safetensors, config.yaml and log/; --set rounds=0 aligns only. An interrupted run is
taken up at its last alignment or checkpoint; a finished one returns at once.
END
}

lexicon="" asr="" split=official fold=1 features=fbank config=phone_states set="" seed=0 cmd=$ROOT/utils/job.sh
device=auto positional=()
front_end_options "lexicon asr split fold features config set seed cmd device" "" "$@"
[ -n "$lexicon" ] || fail "--lexicon FILE is missing; see --help"
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the output directory, found ${#positional[@]} arguments"
data=${positional[0]} out=${positional[1]%/}
check_count fold
[[ $seed =~ ^[0-9]{1,9}$ ]] || fail "--seed is '$seed'; accepted: 0 or more"
[[ $device =~ ^(auto|cpu|cuda)$ ]] || fail "--device is '$device'; accepted: auto, cpu, cuda"
[ "$lexicon" = graphemes ] || [ -f "$lexicon" ] || fail "--lexicon $lexicon: no such file"
[ -z "$asr" ] || [ -d "$asr" ] || fail "--asr $asr: no such directory"

front_end_environment
front_end_job

train=(python -m steps.asr.phones.train_phone_states --lexicon "$lexicon" --split "$split" --fold "$fold"
  --features "$features" --config "$config" --set "$set" --seed "$seed" --device "$device")
[ -z "$asr" ] || train+=(--asr "$asr")
"${job[@]}" JOB=1:1 "$out/log/train.{JOB}.log" "${train[@]}" "$data" "$out"
[ -f "$out/alignment.npz" ] || { echo "error: $out has no alignment.npz, see $out/log/train.1.log" >&2; exit 1; }
