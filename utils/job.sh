#!/usr/bin/env bash
# Run an array of tasks here, on Slurm or on SGE:
#   job.sh [--mem 4G] [--gpu 1] [--num-threads 1] [--time 2h] [--max-jobs-run 20] [--retry 1] \
#          JOB=1:N exp/log/x.{JOB}.log command ... {JOB} ...
# Which cluster: environment variable EMOTION_CLUSTER or --cluster; how: conf/cluster/<name>.yaml.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/start.sh"
python=$(command -v python || command -v python3) || { echo "error: no python on PATH: source path.sh first" >&2; exit 1; }
module_path "$python"
exec "$python" -m utils.jobs.dispatch "$@"
