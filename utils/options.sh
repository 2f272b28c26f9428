#!/usr/bin/env bash
# Options of a recipe, handled in bash before anything heavy starts.
#
#   option NAME DEFAULT "help" [--int] [--free] [--choices "a b"] [--was OLD]     NAME has small letters, digits and -
#   parse_options "$@"                                                then $name (- becomes _) holds the value
#
# --free marks an option that never changes results (number of tasks, cluster). --was: an earlier name of the option, which
# is still accepted, with a note that says the present one. Values are never evaluated; only declared
# options exist; what depends on an option is derived after parse_options. A mistake ends with one line, exit status 2.
# Names inside start with _o, so that no option can meet them.

_o_names=()
_o_free=()
_o_command=("$0")
declare -A _o_default=() _o_help=() _o_integer=() _o_choices=() _o_now=() _o_value_now=()
_o_standard=(help dry-run stage stop-stage force why show stages strict-code trust-earlier debug only)
# The standard options; utils/stage.sh hands them to the engine.
# shellcheck disable=SC2034
stage="" stop_stage="" why="" show="" stages=false dry_run=false force=false strict_code=false trust_earlier=false debug=false only=""

_o_fail() {
  say_error "$1"
  exit 2
}

# option NAME DEFAULT "help" [--int] [--free] [--choices "a b"] [--was OLD] [--value-was OLD NEW]: declare an option and set its
# variable to the default. --was, --value-was: an earlier name of the option, or of a value, is accepted with a note.
option() {
  [ $# -ge 3 ] || _o_fail "option ${1-}: a declaration reads: option NAME DEFAULT \"help\" [--int] [--free] [--choices \"a b\"] [--was OLD] [--value-was OLD NEW]"
  local _o_name=$1 _o_value=$2
  [[ $_o_name =~ ^[a-z][a-z0-9-]*$ ]] || _o_fail "option $_o_name: a name has small letters, digits and -"
  [[ " ${_o_standard[*]} stage-dir " != *" $_o_name "* ]] || _o_fail "option $_o_name: every recipe has this one already"
  [ -z "${_o_default[$_o_name]+set}${_o_now[$_o_name]+set}" ] || _o_fail "option $_o_name is declared twice"
  _o_names+=("$_o_name")
  _o_default[$_o_name]=$_o_value
  _o_help[$_o_name]=$3
  shift 3
  while [ $# -gt 0 ]; do
    case $1 in
      --int) _o_integer[$_o_name]=1 ;;
      --free) _o_free+=("$_o_name") ;;
      --choices)
        [ $# -ge 2 ] || _o_fail "option $_o_name: --choices needs a list"
        _o_choices[$_o_name]=$2
        shift
        ;;
      --was)
        [[ ${2-} =~ ^[a-z][a-z0-9-]*$ ]] || _o_fail "option $_o_name: --was needs the option's earlier name"
        [ -z "${_o_default[$2]+set}${_o_now[$2]+set}" ] || _o_fail "option $2 is declared twice"
        _o_now[$2]=$_o_name
        shift
        ;;
      --value-was)
        [ $# -ge 3 ] || _o_fail "option $_o_name: --value-was needs the value's earlier and present name"
        _o_value_now[$_o_name=$2]=$3
        shift 2
        ;;
      *) _o_fail "option $_o_name: unknown word $1 in its declaration" ;;
    esac
    shift
  done
  _o_set "$_o_name" "$_o_value"
}

# _o_set NAME VALUE: check the value of a declared option and assign its variable.
_o_set() {
  local _o_given=$2
  if [ -n "${_o_value_now[$1=$_o_given]+set}" ]; then
    echo "note: --$1 $_o_given is called ${_o_value_now[$1=$_o_given]} now" >&2
    _o_given=${_o_value_now[$1=$_o_given]}
  fi
  if [ -n "${_o_integer[$1]-}" ] && [ -n "$_o_given$(_o_is_given "$1")" ]; then
    [[ $_o_given =~ ^-?[0-9]{1,15}$ ]] || _o_fail "--$1 needs an integer, not '$_o_given'"
    _o_given=$(_o_decimal "$_o_given")
  fi
  if [ -n "${_o_choices[$1]-}" ]; then
    local _o_choice _o_found=false
    for _o_choice in ${_o_choices[$1]}; do
      if [ "$_o_choice" = "$_o_given" ]; then _o_found=true; fi
    done
    "$_o_found" || _o_fail "--$1 is '$_o_given'; accepted: ${_o_choices[$1]// /, }"
  fi
  printf -v "${1//-/_}" %s "$_o_given"
}

# An integer option may be empty only where its default is.
_o_is_given() { if [ -n "${_o_default[$1]}" ]; then echo given; fi; }

# 08 means eight.
_o_decimal() {
  case $1 in
    -*) echo $((-10#${1#-})) ;;
    *) echo $((10#$1)) ;;
  esac
}

# _o_stage_number NAME VALUE: the number of a stage.
_o_stage_number() {
  [[ $2 =~ ^([0-9]{1,9})(\.([0-9]{1,9}))?$ ]] || _o_fail "--$1 needs the number of a stage, not '$2'"
  local _o_sub=${BASH_REMATCH[3]}
  printf -v "${1//-/_}" %s "$((10#${BASH_REMATCH[1]}))${_o_sub:+.$((10#$_o_sub))}"
}

_o_unknown() {
  local _o_known _o_hint="see --help"
  for _o_known in "${_o_names[@]}" "${_o_standard[@]}"; do
    if [ "${1//_/-}" = "$_o_known" ] || { [ ${#1} -ge 3 ] && [[ $_o_known == "$1"* || $1 == "$_o_known"* ]]; }; then
      _o_hint="did you mean --$_o_known?"
    fi
  done
  _o_fail "unknown option --$1; $_o_hint"
}

# parse_options "$@": assign every option of the command line.
parse_options() {
  local _o_word _o_name _o_value _o_inline
  _o_command=("$0" "$@")
  while [ $# -gt 0 ]; do
    _o_word=$1 _o_value="" _o_inline=false
    shift
    case $_o_word in
      --*=*) _o_name=${_o_word%%=*} _o_value=${_o_word#*=} _o_inline=true ;;
      --?*) _o_name=$_o_word ;;
      -h) _o_name=--help ;;
      *) _o_fail "unexpected argument '$_o_word'; options read --name value, see --help" ;;
    esac
    _o_name=${_o_name#--}
    if [[ $_o_name =~ ^[a-z][a-z0-9-]*$ ]] && [ -n "${_o_now[$_o_name]+set}" ]; then
      say_renamed "$_o_name" "${_o_now[$_o_name]}"
      _o_name=${_o_now[$_o_name]}
    fi
    case $_o_name in
      help | dry-run | force | stages | strict-code | trust-earlier | debug)
        "$_o_inline" && _o_fail "--$_o_name takes no value"
        if [ "$_o_name" = help ]; then
          _o_print_help
          exit 0
        fi
        printf -v "${_o_name//-/_}" true
        continue
        ;;
      stage | stop-stage | why | show | only) ;;
      *) if [ -z "$_o_name" ] || [ -z "${_o_default[$_o_name]+set}" ]; then _o_unknown "$_o_name"; fi ;;
    esac
    if ! "$_o_inline"; then
      if [ $# -eq 0 ] || [[ $1 == --* ]]; then _o_fail "--$_o_name needs a value"; fi
      _o_value=$1
      shift
    fi
    case $_o_name in
      stage | stop-stage | why | show) _o_stage_number "$_o_name" "$_o_value" ;;
      only) printf -v "$_o_name" %s "$_o_value" ;;
      *) _o_set "$_o_name" "$_o_value" ;;
    esac
  done
  _o_export
}

_o_export() {
  if [ -n "${_o_default[cluster]+set}" ]; then export EMOTION_CLUSTER="${cluster-}"; fi
  if [ "$debug" = true ]; then export EMOTION_DEBUG=1; fi
  if [ "$dry_run" = true ] || [ "$stages" = true ] || [ -n "$why$show" ]; then export EMOTION_DRY_RUN=1; else unset EMOTION_DRY_RUN; fi
}

# The comment at the head of run.sh, then every option with its default.
_o_print_help() {
  local _o_line _o_name _o_note _o_script=${EMOTION_RECIPE-}/run.sh  # $0 may be a link, and counted from elsewhere
  [ -r "$_o_script" ] || _o_script=$0
  printf 'Usage: %s [--name value ...]\n' "$0"
  if [ -r "$_o_script" ]; then
    while IFS= read -r _o_line; do
      case $_o_line in
        '#!'*) continue ;;
        '#'*) _o_line=${_o_line#'#'}; printf '%s\n' "${_o_line# }" ;;
        *) break ;;
      esac
    done <"$_o_script"
  fi
  printf '\nOptions of this recipe:\n'
  for _o_name in "${_o_names[@]}"; do
    _o_note="default: ${_o_default[$_o_name]:-empty}"
    if [ -n "${_o_choices[$_o_name]-}" ]; then _o_note+="; one of: ${_o_choices[$_o_name]// /, }"; fi
    printf '  --%-20s %s (%s)\n' "$_o_name" "${_o_help[$_o_name]}" "$_o_note"
  done
  cat <<'END'

Options of every recipe:
  --help                 print this and exit
  --dry-run              print what would run and because of what; run nothing (default: off)
  --stage N              run stage N from scratch, then what depends on it (default: empty: what is missing or stale)
  --stop-stage N         the last stage to run, with its sub-stages N.1, N.2 ... (default: empty: the last one)
  --force                run every stage from scratch (default: off)
  --why N                print because of what stage N would run; run nothing (default: empty)
  --show N               print the command of stage N, ready to paste; run nothing (default: empty)
  --stages               print the table of stages; run nothing (default: off)
  --strict-code          run stages again whose Python code has changed (default: off: say so in one line)
  --trust-earlier        with --stage: go on with what is there, although earlier stages are stale or missing (default: off)
  --only "NAME ..."      train these subsystems alone; fusion, scores, audit, report: of what is there (default: empty: all)
  --debug                show Python tracebacks (default: off)
END
}
