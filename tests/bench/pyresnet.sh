#!/usr/bin/env bash
# Measure the training throughput of PyResNet and ResNet beside that of torchvision's or transformers' ResNet:
#   tests/bench/pyresnet.sh [--depth 50] [--batch 8] [--frames 115] [--mel 128] [--rounds 5] [--device cpu|cuda]
#                           [--precisions "float32 bf16"] [--layouts "contiguous channels_last"] [--profile]
# One thread on a CPU. The reference needs torchvision or transformers; neither is a requirement of the recipes.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 KINETO_LOG_LEVEL=99
# shellcheck source=path.sh
. "$ROOT/path.sh"
exec python "$ROOT/tests/bench/pyresnet.py" "$@"
