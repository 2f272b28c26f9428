#!/usr/bin/env bash
# Fuse the subsystems of a protocol on their dev scores. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/fuse_subsystems.sh --protocol NAME --subsystems "NAME ..." [option ...] DATA EXP

  --protocol NAME         split in DATA/splits/NAME.tsv
  --subsystems "NAME ..." trained subsystems EXP/NAME; those that are not there are told and left out
  --text-variant NAME     variant of a subsystem that has no normalizations (default: asr-text)
  --variants "V ..."      variants that are fused (default: every norm-... without +aug)
  --extended "NAME ..."       further subsystems: each variant is fused a second time, with these too (variant ...+extended)
  --leave-out "NAME ..."  subsystems that are not looked at, because they are unfinished, say
  --debug                 show Python tracebacks

Writes EXP/fusion_equal, EXP/fusion_simplex and EXP/fusion_logistic, laid out as every subsystem, and
EXP/fusion/<protocol>.json: weights, ablation, what is missing, and which one is primary. All is fitted and chosen on
dev, in seconds. Exit status 1 with fewer than two subsystems.
END
}

protocol="" subsystems="" text_variant=asr-text variants="" extended="" leave_out="" positional=()
front_end_renamed more extended
front_end_options "protocol subsystems text-variant variants extended leave-out" "" "$@"
[ -n "$protocol" ] || fail "--protocol NAME is missing; see --help"
[ -n "$subsystems" ] || fail "--subsystems \"NAME ...\" is missing; see --help"
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the experiments' directory, found ${#positional[@]} arguments"

front_end_environment
exec python -m steps.fusion.fuse --protocol "$protocol" --subsystems "$subsystems" --text-variant "$text_variant" \
  --variants "$variants" --extended "$extended" --leave-out "$leave_out" "${positional[@]}"
