#!/usr/bin/env bash
# Run the tests.
#
#   tests/run.sh           all: lint and unit tests, then the slow ones, then the lane that has k2
#   tests/run.sh --unit    lint and unit tests only, under 3 minutes on 2 cores
#
# EMOTION_CORPORA names a directory with ravdess/, emodb/ and speechocean762/; what is missing there is skipped, aloud.
# EMOTION_CASES names a directory of situations that tests/hostile/test_cases.py runs; without it they are skipped, aloud.
# The last line is the sum: N passed, N failed, N skipped. Exit status 0 only if nothing failed.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/start.sh"
cd "$ROOT"

unit_only=
for argument in "$@"; do
  case $argument in
    --unit) unit_only=1 ;;
    -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' tests/run.sh; exit 0 ;;
    *) echo "error: unknown argument $argument; tests/run.sh --help lists them" >&2; exit 2 ;;
  esac
done

# shellcheck disable=SC2034  # path.sh reads them
emotion_installs=true emotion_needs=--tests
. ./path.sh

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
failed=

# Run pytest as phase $1 with the Python $2. The skips' reasons are printed; no test at all is an error in phase unit.
phase() {
  local name=$1 interpreter=$2 status=0
  shift 2
  printf '\n=== %s\n' "$name"
  "$interpreter" -m pytest -q -rfEs --junitxml="$reports/${name// /-}.xml" "$@" || status=$?
  if [ "$status" -eq 5 ] && [ "$name" != unit ]; then
    echo "no tests there"
  elif [ "$status" -ne 0 ]; then
    failed="$failed $name"
  fi
}

say_what_is_missing() {
  local corpus command
  for corpus in ravdess emodb speechocean762; do
    [ -d "${EMOTION_CORPORA:-/nonexistent}/$corpus" ] \
      || echo "MISSING: corpus $corpus (EMOTION_CORPORA=${EMOTION_CORPORA:-}); its tests are skipped"
  done
  [ -d "${EMOTION_CASES:-/nonexistent}" ] \
    || echo "MISSING: cases of bad input (EMOTION_CASES=${EMOTION_CASES:-}); they are not run"
  for command in shellcheck slurmctld munged chromium; do
    [ -n "$(PATH=$PATH:/usr/sbin command -v "$command")" ] \
      || echo "MISSING: $command; its tests are skipped"
  done
}

# Lint has been done in phase unit.
k2_lane() {
  local status=0 directories=(tests/utils tests/steps/features)
  [ ! -d tests/steps/asr ] || directories+=(tests/steps/asr)
  printf '\n=== k2 lane: set-up\n'
  if [ -n "${EMOTION_NO_INSTALL:-}" ]; then
    [ -x .venv-k2/bin/python ] || { echo ".venv-k2 is not there, and EMOTION_NO_INSTALL forbids making it"; status=2; }
  else
    utils/setup.sh --k2-pypi || status=$?
  fi
  if [ "$status" -eq 2 ]; then
    echo "NOT TESTED: the k2 lane (k2 1.23.4, torch 1.13.1): see above"
  elif [ "$status" -ne 0 ]; then
    failed="$failed k2-set-up"
  else
    phase "k2 lane" .venv-k2/bin/python -n "$workers" -m "not slow" --ignore tests/utils/test_lint.py "${directories[@]}"
  fi
}

workers=$(python -c 'import os; print(max(1, min(8, len(os.sched_getaffinity(0)))))')
say_what_is_missing
phase unit python -n "$workers" -m "not slow" tests
if [ -z "$unit_only" ]; then
  phase slow python --timeout 1800 -m slow tests
  k2_lane
fi

printf '\n'
python - "$reports" <<'END'
import sys
from pathlib import Path
from xml.etree import ElementTree

total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
for report in Path(sys.argv[1]).glob("*.xml"):
    for suite in ElementTree.parse(report).iter("testsuite"):
        total = {key: count + int(suite.get(key, 0)) for key, count in total.items()}
bad = total["failures"] + total["errors"]
print(f"{total['tests'] - bad - total['skipped']} passed, {bad} failed, {total['skipped']} skipped")
END
if [ -n "$failed" ]; then
  echo "failed phases:$failed" >&2
  exit 1
fi
