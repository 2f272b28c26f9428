# shellcheck shell=bash
# Sourced by every run.sh, and by a person who wants to try things by hand:   . ./path.sh
# Sets ROOT, PYTHONPATH and puts the right `python` first on PATH: that of the active environment if it has what is
# needed (with emotion_needs=--tests for tests, too), else .venv. Who sets emotion_installs (a recipe's run.sh,
# tests/run.sh) gets what is missing installed; for everybody else one line says what to do. Exit status 2 without an
# environment, 1 where it cannot be installed.

ROOT=$(dirname "$(readlink -f "${BASH_SOURCE[0]:-$0}")") || return 2
export ROOT
case ":${PYTHONPATH:-}:" in
  *":$ROOT:"*) ;;
  *) export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" ;;
esac

# Exit status 0 if the environment at $1 has what is needed; otherwise emotion_lack says what it lacks.
emotion_fits() {
  [ -x "$1/bin/python" ] || { emotion_lack="is not there"; return 1; }
  emotion_lack=$("$1/bin/python" "$ROOT/utils/setup/environment.py" ${emotion_needs:+"$emotion_needs"} 2>/dev/null) &&
    return 0
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

# The top-level command installs, with or without a terminal, but never from inside a stage or a job.
emotion_may_install() {
  [ -n "${emotion_installs:-}" ] && [ -z "${EMOTION_NO_INSTALL:-}${EMOTION_STAGE:-}${EMOTION_JOB:-}" ]
}

emotion_find() {
  local active prefix own_lack known=${EMOTION_ENVIRONMENT:-}
  if [ -z "${emotion_needs:-}" ] && [ "$known" = "$ROOT=${known#*=}" ] && [ "$(command -v python)" = "${known#*=}/bin/python" ]; then return 0; fi
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
    echo "no environment yet ($ROOT/.venv $own_lack): installing what is needed there, once; utils/setup.sh does it" >&2
    "$ROOT/utils/setup.sh" >&2 || return $?
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
  case $- in *i*) return "$emotion_status" ;; *) exit "$emotion_status" ;; esac
fi
unset emotion_status
