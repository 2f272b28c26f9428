#!/usr/bin/env bash
# What a recipe sources first: options (utils/options.sh) and stages (utils/stage.sh). Nothing heavy happens here.
#
# Sets ROOT (top of the repository) and EMOTION_RECIPE (the recipe's directory), both exported.
# After parse_options: dry_run and why tell path.sh that nothing will run, so that it must not install
# (EMOTION_DRY_RUN=1 in the environment says the same).
# shellcheck source=utils/start.sh
. "$(dirname "${BASH_SOURCE[0]}")/start.sh"
EMOTION_RECIPE=$PWD
export EMOTION_RECIPE
# shellcheck disable=SC2034  # path.sh reads it. Not exported: what a recipe calls installs nothing.
emotion_installs=true

# An editor may have given this file the line ends of Windows; what bash says about that is no help.
if [ -f cmd.sh ] && [[ $(<cmd.sh) == *$'\r'* ]]; then
  echo "error: $PWD/cmd.sh has the line ends of Windows: take the carriage returns out (dos2unix, or your editor)" >&2
  exit 2
fi

# shellcheck source=utils/options.sh
. "$ROOT/utils/options.sh"
# shellcheck source=utils/stage.sh
. "$ROOT/utils/stage.sh"

# recipe_begin CORPUS: after parse_options. Sets corpus, data, exp, stage_dir and work (the directory of all of them, which
# --size moves), and finds the environment.
# shellcheck disable=SC2154,SC2034  # size is an option of the recipe; its stages read the others
recipe_begin() {
  corpus=$1 work=.
  [ "$size" = full ] || work=$size
  data=$work/data/$corpus exp=$work/exp stage_dir=$work
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
}

# recipe_stages SYSTEM ...: after the recipe's settings, which cmd.sh reads, too. The stages of these systems:
# steps/stages.sh and steps/stages_SYSTEM.sh.
recipe_stages() {
  local _o_system
  # shellcheck disable=SC1091  # the recipe's own
  . ./cmd.sh
  # shellcheck source=steps/stages.sh
  . "$ROOT/steps/stages.sh"
  for _o_system in "$@"; do
    # shellcheck disable=SC1090  # one of steps/stages_*.sh
    . "$ROOT/steps/stages_$_o_system.sh"
  done
}
