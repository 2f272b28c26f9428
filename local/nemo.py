"""nEMO: nine Polish actors say ninety sentences in six emotions (Christop 2024).

Layout of the GitHub repository: DIR/data.tsv (file_id, emotion, raw_text, normalized_text, speaker_id, gender, age) and
DIR/samples/WR0_surprised_64.wav (or .flac): speaker, emotion, sentence. In the table speaker_id stands behind eight
spaces, and typographic quotation marks are part of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.corpus import Corpus, Protocol, Row, Target, notice_some, one_speaker_out
from utils.csv_table import TAB, read_table
from utils.errors import UsageError
from utils.names import plain_name

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender", "age")

CORPUS = Corpus(
    name="nemo",
    targets=(Target(classes=EMOTIONS),),
    language="pl",
    published={"utterances": 4481, "speakers": 9},
    source="https://github.com/amu-cai/nEMO, CC BY-NC-SA 4.0",
)


def rows(corpus_dir: Path) -> list[Row]:
    """
    Raises:
        UsageError: no such corpus there. UserError: its table lacks a column.
    """
    table = corpus_dir / "data.tsv"
    recordings = {plain_name(path.stem): path for path in sorted((corpus_dir / "samples").glob("*_*_*"))
                  if path.suffix.lower() in (".wav", ".flac")}
    if not table.is_file() or not recordings:
        raise UsageError(f"--corpus-dir {corpus_dir}: no data.tsv and samples/WR0_surprised_64.wav ... there; "
                         f"nEMO is at {CORPUS.source}")
    found, lost = [], []
    for number, line in read_table(table, COLUMNS, TAB):
        key = plain_name(Path(line["file_id"]).stem)
        if key not in recordings:
            lost.append(line["file_id"])
        else:
            found.append(Row(key, recordings[key], where=f"{table}, line {number}", fields={
                "speaker": line["speaker_id"], "gender": line["gender"], "age": line["age"], "text": line["raw_text"],
                "emotion": line["emotion"], "sentence": key.rpartition("_")[2], "language": "pl", "style": "acted"}))
    notice_some(lost, len(found) + len(lost), f"lines of {table} have no recording in samples/ and are passed over")
    return found


def protocols(rows: Sequence[Row]) -> list[Protocol]:
    return [one_speaker_out("one_speaker_out", rows, "each of the nine actors is the test part once; the next is dev")]
