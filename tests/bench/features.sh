#!/usr/bin/env bash
# Measure feature extraction: tests/bench/features.sh [--rounds 3] [--limit N] [--only is10|fbank] CORPUS_DIR
# On an idle machine; CORPUS_DIR defaults to $EMOTION_CORPORA/ravdess.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
# shellcheck source=path.sh
. "$ROOT/path.sh"
if [ $# -eq 0 ]; then
  set -- "${EMOTION_CORPORA:?name a corpus directory or set EMOTION_CORPORA}/ravdess"
fi
exec python "$ROOT/tests/bench/features.py" "$@"
