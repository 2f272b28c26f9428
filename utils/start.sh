# shellcheck shell=bash
# What every script of this repository does before anything else, wherever and however it is called. Sourced; sets ROOT.
#
#     . "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/start.sh"
#
# `readlink -f` finds a script through links, and its path begins with /, so that CDPATH has no say. Up to the check of
# the version this file must be readable for bash 3.2.

if [ "${BASH_VERSINFO[0]}" -lt 4 ] || { [ "${BASH_VERSINFO[0]}" -eq 4 ] && [ "${BASH_VERSINFO[1]}" -lt 2 ]; }; then
  echo "error: this is bash $BASH_VERSION, 4.2 or newer is needed: install one and put it first on PATH" \
    "(macOS has 3.2; there: brew install bash)" >&2
  exit 2
fi
# Before 4.4 an empty array counts as an unbound variable.
[ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -ge 44 ] || set +u
set +o posix # from POSIXLY_CORRECT: no <( ) before 5.1
unset CDPATH

# A closed descriptor 0, 1 or 2 would be given to the next file that is opened, and a file get what is printed.
{ : 9<&0; } 2>/dev/null || exec </dev/null
{ : 9>&1; } 2>/dev/null || exec >/dev/null
{ : 9>&2; } || exec 2>/dev/null

ROOT=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
# Python imports nothing from the working directory (it may hold another package `utils`, or a file random.py), and
# writes UTF-8 in every locale. Python 3.10 does not know PYTHONSAFEPATH: see
# module_path.
export ROOT PYTHONSAFEPATH=1 PYTHONUTF8=1

# An empty entry of PYTHONPATH (":/x", "/x:") means the working directory, too.
if [ -n "${PYTHONPATH:-}" ]; then
  PYTHONPATH=:$PYTHONPATH:
  while [[ $PYTHONPATH == *::* ]]; do PYTHONPATH=${PYTHONPATH//::/:}; done
  PYTHONPATH=${PYTHONPATH#:}
  PYTHONPATH=${PYTHONPATH%:}
fi

# Where nothing can be, no library finds its files.
pwd -P >/dev/null 2>&1 || {
  echo "error: the working directory is gone, or may not be entered: change to another one, then run the same command" >&2
  exit 2
}

# say_error MESSAGE: one line on standard error. A line break or a terminal escape in a name that was given stays harmless.
say_error() {
  printf 'error: %s\n' "${1//[[:cntrl:]]/ }" >&2
}

# say_renamed OLD NEW: the note on an option that was given by its earlier name.
say_renamed() {
  echo "note: --$1 is called --$2 now" >&2
}

# module_path PYTHON: `PYTHON -m` finds the modules of this repository, and none in the working directory.
module_path() {
  local first=$ROOT
  [ ! -d "${1%/bin/*}/lib/python3.10" ] || first=$ROOT/utils/python310:$first
  case ":${PYTHONPATH:-}:" in
    ":$first:"*) ;;
    *) export PYTHONPATH="$first${PYTHONPATH:+:$PYTHONPATH}" ;;
  esac
}
