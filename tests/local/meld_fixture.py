"""MELD's tables with lines of our own, and recordings of noise."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from tests.local.mandarin_fixtures import noise

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
SAID = {"anger": "Leave me alone, you{0}ve ruined it", "disgust": "Ew, that{0}s so gross",
        "fear": "I{0}m scared of it", "joy": "I love it, that{0}s great", "neutral": "We{0}ll take the bus",
        "sadness": "I miss her, it{0}s over", "surprise": "What, you{0}re kidding"}
SENTIMENT = {"neutral": "neutral", "joy": "positive"}
SPEAKERS = ("Ann", "Ben", "Chris", "The Waiter")


def meld(root: Path, audio: bool = False, dialogues: int = 4) -> None:
    """github.com/declare-lab/MELD, data/MELD/*_sent_emo.csv; the audio as local/meld.py expects it.

    Oddities: train's apostrophes are U+0092, dev's U+2019; times are written with one digit of hours or two;
    dia125_utt3 of train has no recording; numbers (Sr No.) are left out; two lines have the same time.
    """
    for part, apostrophe in (("train", "\x92"), ("dev", "\u2019"), ("test", "'")):
        lines, number = [HEADER], 0
        for dialogue in (*range(dialogues if part != "train" else 2 * dialogues), *([125] if part == "train" else [])):
            for turn, (emotion, said) in enumerate(SAID.items()):
                number += 2 if turn == 3 else 1
                words = said.format(apostrophe) + (", Mr. \"\"Mover\"\"." if turn == 2 else "!")
                words = f'"{words}"' if "," in words else words
                end = "00:01:02,500" if turn != 5 else "00:01:00,000"
                start = "0:01:00,000" if dialogue % 2 else "00:01:00,000"
                lines.append(f"{number},{words},{SPEAKERS[(dialogue + turn) % 4]},{emotion},"
                             f"{SENTIMENT.get(emotion, 'negative')},{dialogue},{turn},3,{dialogue % 5},\"{start}\","
                             f"\"{end}\"")
                if audio and (part, dialogue, turn) != ("train", 125, 3):
                    path = root / part / f"dia{dialogue}_utt{turn}.wav"
                    noise(path, 0.25, seed=crc32(f"{part} {path.stem}".encode()))
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{part}_sent_emo.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode())
