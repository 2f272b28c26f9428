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
