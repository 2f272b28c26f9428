# shellcheck shell=bash
# Sourced by every run.sh, and by a person who wants to try things by hand:   . ./path.sh
# Sets ROOT, PYTHONPATH and puts the right `python` first on PATH: that of the active environment if it has what is
# needed, else .venv. What is missing is installed only where a person or CI runs the top-level command; otherwise one
# line says what to do. Exit status 2 without an environment.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]:-$0}")" && pwd -P) || return 2
export ROOT
case ":${PYTHONPATH:-}:" in
  *":$ROOT:"*) ;;
  *) export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" ;;
esac

# Exit status 0 if the environment at $1 has what is needed; otherwise emotion_lack says what it lacks.
emotion_fits() {
  [ -x "$1/bin/python" ] || { emotion_lack="is not there"; return 1; }
  emotion_lack=$("$1/bin/python" "$ROOT/utils/setup/environment.py" 2>/dev/null) && return 0
  emotion_lack=${emotion_lack:-"has a Python that does not start"}
  return 1
}

# The environment at $1 from now on. Child processes see EMOTION_ENVIRONMENT and do not look again.
emotion_take() {
  [ "$(command -v python)" = "$1/bin/python" ] || export PATH="$1/bin:$PATH"
  export EMOTION_ENVIRONMENT="$ROOT=$1"
}

# Where the first working python3 of PATH lives, if it is a whole environment (it may be a container's or conda's).
emotion_path_prefix() {
  python3 -c 'import sys; print(sys.prefix)' 2>/dev/null || true
}

# Only a person at a terminal or CI installs, and never from inside a stage or a job.
emotion_may_install() {
  [ -z "${EMOTION_NO_INSTALL:-}${EMOTION_STAGE:-}${EMOTION_JOB:-}${EMOTION_DRY_RUN:-}" ] || return 1
  [ -n "${CI:-}" ] || [ -t 0 ] || [ -t 1 ]
}

emotion_find() {
  local active prefix own_lack known=${EMOTION_ENVIRONMENT:-}
  if [ "$known" = "$ROOT=${known#*=}" ] && [ "$(command -v python)" = "${known#*=}/bin/python" ]; then return 0; fi
  active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
  if [ -n "$active" ]; then
    if emotion_fits "$active"; then emotion_take "$active"; return 0; fi
    [ "$active" = "$ROOT/.venv" ] || echo "note: the active environment $active $emotion_lack; looking for another" >&2
  fi
  if emotion_fits "$ROOT/.venv"; then emotion_take "$ROOT/.venv"; return 0; fi
  own_lack=$emotion_lack
  prefix=$(emotion_path_prefix)
  if [ -n "$prefix" ] && emotion_fits "$prefix"; then emotion_take "$prefix"; return 0; fi
  # The stage engine needs no package, so that a dry run works before set-up.
  [ -z "${EMOTION_DRY_RUN:-}" ] || return 0
  if emotion_may_install; then
    "$ROOT/utils/setup.sh" >&2 || return 2
    emotion_fits "$ROOT/.venv" || { echo "error: $ROOT/.venv $emotion_lack after set-up" >&2; return 2; }
    emotion_take "$ROOT/.venv"
    return 0
  fi
  echo "error: no environment with what is needed ($ROOT/.venv $own_lack): run $ROOT/utils/setup.sh" >&2
  return 2
}

emotion_status=0
emotion_find || emotion_status=$?
unset -f emotion_fits emotion_take emotion_path_prefix emotion_may_install emotion_find
unset emotion_lack
if [ "$emotion_status" -ne 0 ]; then
  # A person's own shell stays open; a script ends here, also one without `set -e`.
  case $- in *i*) return 2 ;; *) exit 2 ;; esac
fi
unset emotion_status
