#!/usr/bin/env bash
# Measure batching over 4000 simulated hours (3 million utterances): tests/bench/sampler.sh [--ways "plan lhotse"] [DIR]
# DIR gets the simulated manifests (1.5 GB) unless they are there; default: a temporary directory.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
# shellcheck source=path.sh
. "$ROOT/path.sh"
ways="plan lhotse"
if [ "${1:-}" = --ways ]; then ways=$2; shift 2; fi
sets=${1:-}
if [ -z "$sets" ]; then
  sets=$(mktemp -d)
  trap 'rm -rf "$sets"' EXIT
fi
[ -s "$sets/wenetspeech/speech.json" ] || python -m tests.bench.simulate_manifest "$sets"
read -ra words <<<"$ways"
python "$ROOT/tests/bench/sampler.py" --ways "${words[@]}" -- "$sets"/*/
