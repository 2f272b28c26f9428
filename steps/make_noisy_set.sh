#!/usr/bin/env bash
# Write a data set again with noise behind every utterance, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/make_noisy_set.sh --snr DB|random [option ...] DATA OUT

  --snr DB          signal-to-noise ratio in dB; random: uniform from 0 to 20, and one utterance in ten clean
  --kinds "K ..."   one of these for each utterance (default: noise music babble bursts)
  --pool NAME       noises for training (train) or for testing (test), which have nothing in common (default: train with
                    --snr random, else test)
  --musan DIR       take noise, music and babble from MUSAN in DIR (noise/, music/, speech/); default: our own sounds
  --seed N          the same seed gives the same noises, at every ratio and over any number of tasks (default: 0)
  --only "PROTOCOL/PART ..."   only utterances of these parts, in whichever fold (default: all)
  --features "NAME ..."   extract these from it too (steps/extract_features.sh)
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --debug           show Python tracebacks

The ratio is the mean power of the active frames of speech over the mean power of the noise behind the utterance. OUT is
a data set of its own with DATA's utterances, labels and splits, recordings in OUT/audio and the fields snr and noise;
features and transcripts of it are made as those of DATA are. An interrupted run is taken up at the tasks that are
missing.
END
}

snr="" kinds="noise music babble bursts" pool="" musan="" seed=0 only="" features="" nj=1 cmd=$ROOT/utils/job.sh positional=()
front_end_options "snr kinds pool musan seed only features nj cmd" "" "$@"
[ -n "$snr" ] || fail "--snr DB is missing; see --help"
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the output directory, found ${#positional[@]} arguments"
check_count nj
[[ $seed =~ ^[0-9]{1,9}$ ]] || fail "--seed is '$seed'; accepted: 0 to 999999999"
[[ $pool =~ ^(|train|test)$ ]] || fail "--pool is '$pool'; accepted: train, test"
[ -z "$musan" ] || [ -d "$musan" ] || fail "--musan $musan: no such directory"
data=${positional[0]} out=${positional[1]%/}

front_end_environment
front_end_job

make=(python -m steps.noise.make_noisy_set "--snr=$snr" --kinds "$kinds" --seed "$seed" --only "$only" --num-tasks "$nj")
[ -z "$pool" ] || make+=(--pool "$pool")
[ -z "$musan" ] || make+=(--musan "$musan")

"${make[@]}" --prepare "$data" "$out"
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/noise.{JOB}.log" \
  "${make[@]}" --task "{JOB}" --index "$out/audio/index.{JOB}.tsv" "$data" "$out"
"${make[@]}" --finish "$data" "$out"
read -ra names <<<"$features"
for name in ${names[@]+"${names[@]}"}; do
  "$ROOT/steps/extract_features.sh" --features "$name" --nj "$nj" --cmd "$cmd" "$out"
done
