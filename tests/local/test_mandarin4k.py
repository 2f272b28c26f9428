"""The data set of the Mandarin recognizer's parts: what is decoded, and what an i-vector extractor learns from."""

import gzip
import json

from local import mandarin4k


def write(directory, corpus: str, part: str, speakers: list[str | None]) -> None:
    (directory / corpus).mkdir(exist_ok=True)
    with gzip.open(directory / corpus / f"cuts.{part}.jsonl.gz", "wt", encoding="utf-8") as stream:
        for number, speaker in enumerate(speakers):
            known = {} if speaker is None else {"speaker": speaker}
            stream.write(json.dumps({
                "id": f"{corpus}-{part}-{number}", "start": 0, "duration": 1.0,
                "recording": {"duration": 1.0, "sources": [{"source": f"/x/{corpus}-{part}-{number}.wav"}]},
                "supervisions": [{"text": "好", "language": "zh", **known}]}) + "\n")


def test_an_extractor_learns_from_dev_speakers_that_are_known(tmp_path):
    for part in ("train", "dev", "test"):
        write(tmp_path, "aishell", part, [f"aishell-{part}{n}" for n in range(2)])
        write(tmp_path, "wenetspeech", part, [None, None])
    rows = mandarin4k.rows(tmp_path)
    official, speakers = mandarin4k.protocols(rows)
    assert len(official.folds[0]) == 12 and official.folds[0]["wenetspeech-dev-1"] == "dev"
    assert speakers.folds[0] == {f"aishell-{part}-{n}": role for part, role in
                                 (("dev", "train"), ("train", "dev"), ("test", "test")) for n in range(2)}
    unknown = [row for row in rows if row.speaker is None]
    assert [protocol.name for protocol in mandarin4k.protocols(unknown)] == ["official"]
