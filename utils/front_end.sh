#!/usr/bin/env bash
# What the front ends of the stages share (steps/<verb>_<thing>.sh). Sourced; sets ROOT.
#
#     . "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
#     usage() { ... }
#     features="" nj=1 cmd=$ROOT/utils/job.sh            # every option with its default
#     front_end_renamed feature features                 # an earlier name of an option: accepted, with a note
#     front_end_options "features nj cmd" "permute" "$@" # options with a value; flags; sets variables and positional
#     front_end_environment                              # python is there
#     front_end_job                                      # --cmd -> the array job
# shellcheck source=utils/start.sh
. "$(dirname "${BASH_SOURCE[0]}")/start.sh"

# fail MESSAGE: a usage error.
fail() {
  say_error "$(basename "$0"): $1"
  exit 2
}

# front_end_renamed OLD NEW: before front_end_options; --OLD is still accepted, with a note that says the present name.
declare -A front_end_now=()
front_end_renamed() { front_end_now[$1]=$2; }

# front_end_options "NAME ..." "FLAG ..." ARGUMENT ...: only the named options exist; nothing is evaluated. An option's
# value goes to the variable of its name, a flag given makes its variable true, the other words go to positional.
front_end_options() {
  local with_value=" $1 " flags=" $2 " name
  shift 2
  positional=()
  while [ $# -gt 0 ]; do
    name=${1#--}
    if [[ $1 =~ ^--[a-z][a-z-]*$ ]] && [ -n "${front_end_now[$name]+set}" ]; then
      say_renamed "$name" "${front_end_now[$name]}"
      name=${front_end_now[$name]}
      set -- "--$name" "${@:2}"
    fi
    case $1 in
      -h | --help) usage; exit 0 ;;
      --debug) export EMOTION_DEBUG=1; shift ;;
      --*)
        if [[ $name =~ ^[a-z-]+$ && $flags == *" $name "* ]]; then
          printf -v "${name//-/_}" true
          shift
        elif [[ $name =~ ^[a-z-]+$ && $with_value == *" $name "* ]]; then
          [ $# -ge 2 ] || fail "$1 needs a value"
          printf -v "${name//-/_}" %s "$2"
          shift 2
        else
          fail "unknown option $1; see --help"
        fi
        ;;
      -*) fail "unknown option $1; see --help" ;;
      "") fail "an argument is empty; see --help" ;;
      *) positional+=("$1"); shift ;;
    esac
  done
}

# check_count NAME: the variable NAME is a whole number from 1 on.
check_count() {
  [[ ${!1} =~ ^[1-9][0-9]{0,5}$ ]] || fail "--$1 is '${!1}'; accepted: 1 or more"
}

# front_end_environment: path.sh, which looks no further where a recipe has sourced it already. It installs nothing: only
# a recipe's run.sh and tests/run.sh do.
front_end_environment() {
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
  module_path "$(command -v python)"
}

# front_end_python MODULE ARGUMENT ...: the module declares the options and does the work. Its --help needs no package.
front_end_python() {
  local word before=""
  for word in "${@:2}"; do
    case $word in
      -h | --help) PYTHONPATH=$ROOT/utils/python310:$ROOT exec python3 -X utf8 -m "$1" --help ;;
      "") [[ $before == --* ]] || fail "an argument is empty; see --help" ;; # the value of an option may be
    esac
    before=$word
  done
  front_end_environment
  exec python -m "$@"
}

# shellcheck disable=SC2034,SC2154  # the front end sets cmd and reads job
# front_end_job: $cmd, "job.sh and its options" in one word, becomes the array job. The path of job.sh may hold spaces;
# the words after it are options.
front_end_job() {
  local options
  case $cmd in
    "$ROOT/utils/job.sh" | "$ROOT/utils/job.sh "*)
      read -ra options <<<"${cmd#"$ROOT/utils/job.sh"}"
      job=("$ROOT/utils/job.sh" "${options[@]}")
      ;;
    *) read -ra job <<<"$cmd" ;;
  esac
  command -v "${job[0]-}" >/dev/null || fail "--cmd '$cmd': there is no such command; expected utils/job.sh and its options"
}
