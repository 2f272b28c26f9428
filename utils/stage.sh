#!/usr/bin/env bash
# Stages of a recipe. A declaration only collects words; run_stages hands them to the engine (utils/stages/).
#
#   stage N "title" [--in P] [--out P] [... P] -- command [argument ...]
#   run_stages
#
#   --in P        an input: a small file counts by its content, a large one by size and time, a directory that a stage
#                 makes by that stage
#   --in-audio P  a directory of recordings: path, size and time of every file, also behind links
#   --in-sound P  a manifest (cuts.jsonl.gz): only which utterances there are, their recordings, start and end, and size
#                 and time of the files that it names; not labels, speakers, text, nor which run of a stage made it
#   --in-images P a manifest: size and time of the files of images that it names
#   --in-late P   an input that only the end of the stage reads: when its content changes, the stage goes on from its
#                 finished tasks
#   --in-code P   a module of this repository, with what it imports of its own room, without comments
#   --conf NAME   conf/NAME.yaml of the top level and of the recipe, where no option --config or --features names it
#   --out P       an output: a file or directory that is there when the command has succeeded; moved to P.old before the
#                 stage runs from scratch, to P.partial if it is not whole
#   --out-names P an output, a manifest: the files that it names, as they were when the stage ended, are inputs
#   --out-same P  an output: when all of these come out as they were, what depends on the stage does not run again
#   --update P    an output that the command changes in place; never moved
#   --name NAME   the subsystem that the stage trains, for --only
#   --in-if-there P       an input that the stage can do without, with --only or --trust-earlier: where it is not there,
#                         the word P and the option before it go out of the command
#   --in-member NAME=P    the same for a subsystem; the word {left-out} of the command becomes the names of those that are
#                         not there (where all are, it goes, with the option before it)
#   --at-least K  members without which the stage is left out
#   --needs N     stage N must have run, without a file between them
#
# Each option may be given several times. The command runs in the recipe's directory, in a process group of its own;
# steps/x.sh, utils/x.sh and local/x.sh mean those at the top of the repository. It finds in its environment:
# ROOT, EMOTION_RECIPE, EMOTION_STAGE (N), EMOTION_STAGE_INPUTS (changes whenever finished tasks of the stage no longer
# count) and EMOTION_PROGRESS=1 when the user looks at a terminal. Markers: $stage_dir/.stages (stage_dir: default .).
# shellcheck disable=SC2154  # stage, stop_stage ... and _o_ are set in utils/options.sh

_o_stages=()

stage() { _o_stages+=(stage "$#" "$@"); }

# _o_words: everything the engine must know, each word ended by a zero byte: tag, number of words, words.
_o_words() {
  local _o_name _o_variable
  printf '%s\0' recipe 4 "$ROOT" "$PWD" "${stage_dir:-.}" "$(IFS=,; echo "${_o_free[*]-}")"
  printf '%s\0' command "${#_o_command[@]}" "${_o_command[@]}"
  printf '%s\0' switches 11 "$stage" "$stop_stage" "$why" "$show" "$dry_run" "$force" "$strict_code" "$trust_earlier" "$debug" "$only" "$stages"
  for _o_name in "${_o_names[@]}"; do
    _o_variable=${_o_name//-/_}
    printf '%s\0' option 2 "$_o_name" "${!_o_variable-}"
  done
  if [ ${#_o_stages[@]} -gt 0 ]; then printf '%s\0' "${_o_stages[@]}"; fi
}

# run_stages: this process becomes the engine.
run_stages() {
  command -v python3 >/dev/null || _o_fail "python3 is not on the PATH; install Python 3.10 or newer"
  exec python3 -S -E -X utf8 "$ROOT/utils/stages/main.py" 3< <(_o_words)
}
