#!/usr/bin/env bash
# Make a recipe for a new corpus: egs/<corpus>/<system>/ from utils/templates/<system>/.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/start.sh"

usage() {
  cat <<END
Usage: utils/new_recipe.sh CORPUS SYSTEM [--table FILE.tsv] [--corpus-dir DIR]

  CORPUS            name of the corpus: small letters, digits and _
  SYSTEM            one of: $(systems)
  --table FILE.tsv  the corpus is a table: tab-separated, with columns path and emotion and any of speaker, gender,
                    text, start, end, session, dialogue, ... (conf/fields.yaml)
  --corpus-dir DIR  where the corpus lies: the recipe's default, and with a module that reads it, or a table, its first
                    protocol is the recipe's, too

Without --table the corpus is read by local/CORPUS.py; if there is none, one is begun for you to fill in.
Writes egs/CORPUS/SYSTEM/{run.sh,cmd.sh,README.md}; an existing recipe is never overwritten.
END
}

systems() {
  local directory
  for directory in "$ROOT"/utils/templates/*/; do basename "$directory"; done | paste -sd' '
}

fail() {
  say_error "new_recipe.sh: $1"
  exit 2
}

# quoted TEXT: as a word of a script.
quoted() {
  printf "'%s'" "${1//\'/\'\\\'\'}"
}

# fill FILE: the template FILE on standard output, each @name@ replaced by value[name].
declare -A value
fill() {
  local text name
  text=$(<"$1")
  for name in "${!value[@]}"; do text=${text//"@$name@"/"${value[$name]}"}; done
  printf '%s\n' "$text"
}

positional=() table="" corpus_dir=""
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --table) [ $# -ge 2 ] || fail "--table needs a value"; table=$2; shift 2 ;;
    --corpus-dir) [ $# -ge 2 ] || fail "--corpus-dir needs a value"; corpus_dir=$2; shift 2 ;;
    -*) fail "unknown option $1; see --help" ;;
    *) positional+=("$1"); shift ;;
  esac
done
[ "${#positional[@]}" -eq 2 ] || fail "expected a corpus and a system; see --help"
corpus=${positional[0]} system=${positional[1]}
[[ $corpus =~ ^[a-z][a-z0-9_]*$ ]] || fail "'$corpus' is no name of a corpus; accepted: small letters, digits and _"
known=$(systems)
[[ $system == [a-z]* && " $known " == *" $system "* ]] || fail "there is no system '$system'; there are: $known"
recipe=egs/$corpus/$system
[ ! -e "$ROOT/$recipe" ] || fail "$recipe exists; remove it or choose another name"
for room in egs local; do
  [ ! -e "$ROOT/$room" ] || [ -w "$ROOT/$room" ] ||
    fail "$ROOT/$room cannot be written: clone the repository to where you may write"
done

# first_protocol OPTION ...: its first protocol is the recipe's; speakers that are known are a second normalization.
first_protocol() {
  local about
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
  module_path "$(command -v python)"
  about=$(python -m steps.data.first_protocol --corpus "$corpus" --corpus-dir "$corpus_dir" "$@")
  value[protocol]=${about%%$'\t'*}
  if [[ $about == *"speakers known" ]]; then value[norms]="global speaker"; fi
}

value=([corpus]=$corpus [system]=$system [protocol]=speaker_folds [norms]=global [command]=$recipe/run.sh)
if [ -n "$corpus_dir" ]; then
  [ -d "$corpus_dir" ] || fail "--corpus-dir $corpus_dir: no such directory"
  corpus_dir=$(realpath "$corpus_dir")
fi
directory="option corpus-dir $(quoted "$corpus_dir")"
if [ -n "$table" ]; then
  [ -f "$table" ] || fail "--table $table: no such file"
  [ ! -e "$ROOT/local/$corpus.py" ] || fail "local/$corpus.py exists; leave --table out, or choose another name"
  table=$(realpath "$table")
  first_protocol --table "$table"
  value[source]="option table      $(quoted "$table") \"the corpus: one utterance a line\"
$directory \"directory that its paths are relative to; empty: where the table is\""
else
  value[source]="$directory \"the corpus in its published layout\"
option allow-partial false        \"go on when recordings of the published corpus are missing\" --choices \"true false\""
  if [ ! -e "$ROOT/local/$corpus.py" ]; then
    fill "$ROOT/utils/templates/corpus.py" > "$ROOT/local/$corpus.py"
    echo "began local/$corpus.py: fill in its classes and rows"
  elif [ -n "$corpus_dir" ]; then
    first_protocol
  fi
  [ -n "$corpus_dir" ] || value[command]="$recipe/run.sh --corpus-dir DIR"
fi

mkdir -p "$ROOT/$recipe"
for file in run.sh cmd.sh README.md; do
  fill "$ROOT/utils/templates/$system/$file" > "$ROOT/$recipe/$file"
done
chmod +x "$ROOT/$recipe/run.sh"
echo "made $recipe; now: ${value[command]} --size tiny, then ${value[command]}"
