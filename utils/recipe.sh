#!/usr/bin/env bash
# What a recipe sources first: options (utils/options.sh) and stages (utils/stage.sh). Nothing heavy happens here.
#
# Sets ROOT (top of the repository) and EMOTION_RECIPE (the recipe's directory), both exported.
# After parse_options: dry_run and why tell path.sh that nothing will run, so that it must not install
# (EMOTION_DRY_RUN=1 in the environment says the same).
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
EMOTION_RECIPE=$PWD
export ROOT EMOTION_RECIPE

# shellcheck source=utils/options.sh
. "$ROOT/utils/options.sh"
# shellcheck source=utils/stage.sh
. "$ROOT/utils/stage.sh"
