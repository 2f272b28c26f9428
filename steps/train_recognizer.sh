#!/usr/bin/env bash
# Train a CTC recognizer. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/train_recognizer.sh --config NAME [option ...] OUT

  --config NAME     conf/NAME.yaml, overlaid by the recipe's own: asr_small, asr_base, asr_large
  --data DIR        prepared data set with features of every speed: DIR/fbank, DIR/fbank_slow, DIR/fbank_fast
  --protocol NAME   whose train and dev parts are used (default: official)
  --train-sets "DIR ..."  instead of --data: sets that steps/export_shar.sh wrote, read lazily
  --dev-sets "DIR ..."    with --train-sets
  --features NAME   default: fbank
  --units DIR       units made before (default: made from the training texts)
  --alignment FILE  phone states of the training utterances, learned beside the units: alignment.npz of
                    steps/train_phone_states.sh
  --set "KEY=VALUE ..."   over the configuration
  --seed N          default: 0
  --nodes N         machines that train together, one task each (default: 1)
  --processes N     processes on each machine, one a GPU (default: 1)
  --device D        auto, cpu or cuda (default: auto)
  --cmd CMD         how the tasks are run (default: utils/job.sh)
  --debug           show Python tracebacks

OUT becomes the recognizer: recognizer.json, config.yaml, model.safetensors, units/; OUT/single that of the best single
epoch; OUT/log/. An interrupted training goes on at its checkpoint, in mid-epoch.
END
}

config="" data="" protocol=official train_sets="" dev_sets="" features=fbank units="" alignment="" set="" seed=0 nodes=1 processes=1
device=auto cmd=$ROOT/utils/job.sh positional=()
front_end_options "config data protocol train-sets dev-sets features units alignment set seed nodes processes device cmd" "" "$@"
[ -n "$config" ] || fail "--config NAME is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected the output directory, found ${#positional[@]} arguments; see --help"
if [ -n "$data" ] && [ -n "$train_sets" ]; then fail "give either --data or --train-sets"; fi
if [ -z "$data$train_sets" ]; then fail "--data DIR or --train-sets \"DIR ...\" is missing; see --help"; fi
out=${positional[0]%/}
check_count nodes
check_count processes
[[ $seed =~ ^[0-9]{1,9}$ ]] || fail "--seed is '$seed'; accepted: 0 to 999999999"
[[ $device =~ ^(auto|cpu|cuda)$ ]] || fail "--device is '$device'; accepted: auto, cpu, cuda"

front_end_environment
front_end_job

train=(-m steps.asr.train.train --config "$config" --features "$features" --seed "$seed" --device "$device" --out "$out")
[ -z "$set" ] || train+=(--set "$set")
[ -z "$units" ] || train+=(--units "$units")
[ -z "$alignment" ] || train+=(--alignment "$alignment")
if [ -n "$data" ]; then
  train+=(--data "$data" --protocol "$protocol")
else
  read -ra directories <<<"$train_sets"
  train+=(--train-sets "${directories[@]}")
  read -ra directories <<<"$dev_sets"
  if [ "${#directories[@]}" -gt 0 ]; then train+=(--dev-sets "${directories[@]}"); fi
fi
if [ "$nodes" -gt 1 ]; then
  run=(python -m steps.asr.train.launch --nodes "$nodes" --node "{JOB}" --processes "$processes" --meeting "$out/log" --)
elif [ "$processes" -gt 1 ]; then
  run=(python -m torch.distributed.run --standalone "--nproc-per-node=$processes")
else
  run=(python)
fi
"${job[@]}" JOB=1:"$nodes" "$out/log/train.{JOB}.log" "${run[@]}" "${train[@]}"

[ -s "$out/recognizer.json" ] || { echo "error: $out/recognizer.json is missing after training; see $out/log" >&2; exit 1; }
