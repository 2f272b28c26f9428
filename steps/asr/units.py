"""The output units of a recognizer: what its network gives a posterior to, and how text is spelled with them.

Three kinds:

- bpe: byte-pair pieces of words (Sennrich, Haddow & Birch, ACL 2016) by sentencepiece; "▁" starts a word.
- char: single characters, Han and others, and "▁" before every other word.
- mixed: Han characters one each, all other words by byte-pair pieces.

What has no unit of its own (a rare Han character) is spelled by its UTF-8 bytes, `<0xE4>` and so on, or by `<unk>`.
`tokens.txt` has lines "token id", as icefall writes and sherpa-onnx reads them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from steps.text import normal_form as normal
from utils.config import from_dict, option
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json, write_text
from utils.shape import Maybe
from utils.text_files import read_lines

BLANK, UNKNOWN, SPACE = "<blk>", "<unk>", "▁"
TOKENS, MODEL, ABOUT = "tokens.txt", "bpe.model", "units.json"
BYTES = [f"<0x{value:02X}>" for value in range(256)]
FOREIGN_BLANKS = (BLANK, "<blank>", "<eps>", "<pad>", "[PAD]")
FOREIGN_UNKNOWNS = (UNKNOWN, "<UNK>", "[UNK]")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPECIAL = re.compile(r"<.+>|\[[A-Z]+\]|#\d+")
FORM = {"size": int, "pieces": bool, "config": Maybe({str: Any})}  # of units.json


@dataclass
class UnitsConfig:
    """Which units a recognizer has."""

    kind: str = option("bpe", choices=("bpe", "char", "mixed"))
    vocabulary: int = option(500, min=3, max=1000000,
                             help="bpe and mixed: byte-pair pieces, <blk> and <unk> among them")
    minimum_count: int = option(1, min=1, max=10**9,
                                help="char and mixed: a character that is rarer has no unit of its own")
    characters: int = option(0, min=0, max=1000000,
                             help="char and mixed: at most so many single characters, the most frequent; "
                             "0: all")
    fallback: str = option("auto", choices=("auto", "bytes", "unknown"), help="how other characters are spelled; auto: "
                           "bytes for char and mixed, unknown for bpe")

    @property
    def by_bytes(self) -> bool:
        return self.fallback == "bytes" or (self.fallback == "auto" and self.kind != "bpe")


class Units:
    """A list of tokens with a way to spell text.

    Attributes:
        tokens: by id. blank, unknown: ids; of our own units 0 and 1. unknown is None where a foreign model has none.
        config: how they were trained; None of foreign ones.
    """

    def __init__(self, tokens: Sequence[str], config: UnitsConfig | None = None, model: bytes = b""):
        self.tokens = list(tokens)
        self.config = config
        self._model = model
        self._index = {token: number for number, token in enumerate(self.tokens)}
        self.blank = next((self._index[name] for name in FOREIGN_BLANKS if name in self._index), 0)
        self.unknown = next((self._index[name] for name in FOREIGN_UNKNOWNS if name in self._index), None)
        self._bytes = [self._index[name] for name in BYTES if name in self._index]
        self._spelled: dict[str, list[int]] = {}
        if model:
            import sentencepiece

            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        else:
            # Foreign models may have upper-case letters; text in normal form has none.
            self._lower = {token.lower(): number for number, token in reversed(list(enumerate(self.tokens)))
                           if not _SPECIAL.fullmatch(token)}
            self._longest = max(map(len, self._lower), default=1)
            self._marked = any(SPACE in token for token in self._lower)

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Units) and (self.tokens, self.config) == (other.tokens, other.config)

    def encode(self, text: str) -> list[int]:
        """The ids that spell a text, which is normalized first; never the blank.

        Raises:
            UserError: a character that a foreign model, which has no unknown unit, cannot spell.
        """
        return [number for word in normal.words(normal.normalize(text)) for number in self.spell(word)]

    def spell(self, word: str) -> list[int]:
        """The ids of one scoring token (see text.words)."""
        if word not in self._spelled:
            if len(self._spelled) > 1_000_000:  # a long run over much text must not fill the memory
                self._spelled.clear()
            self._spelled[word] = self._spell(word)
        return list(self._spelled[word])

    def _spell(self, word: str) -> list[int]:
        if self._model and not (normal.is_han(word) and self.config is not None and self.config.kind == "mixed"):
            return [number for piece in self._pieces.encode(word, out_type=str)
                    for number in self._known(piece)]
        if self.config is not None:
            characters = [word] if normal.is_han(word) else [SPACE, *word]
            return [number for character in characters for number in self._known(character)]
        return self._longest_match(word)

    def _known(self, piece: str) -> list[int]:
        """The id of a piece, or how its characters are spelled otherwise."""
        if piece in self._index:
            return [self._index[piece]]
        if len(piece) > 1:
            return [number for character in piece for number in self._known(character)]
        if len(self._bytes) == len(BYTES):
            return [self._bytes[value] for value in piece.encode()]
        if piece == SPACE:  # a set without other words than Han characters does not know where words start
            return []
        if self.unknown is None:
            raise UserError(f"units: {piece!r} has no token and the model has no {UNKNOWN}; remove the character from "
                            "the text")
        return [self.unknown]

    def _longest_match(self, word: str) -> list[int]:
        """Greedy: of the tokens that go on with the word, the longest."""
        if normal.is_han(word) and word in self._lower:
            return [self._lower[word]]
        rest, found = (SPACE if self._marked else "") + word, []
        while rest:
            size = next((size for size in range(min(self._longest, len(rest)), 0, -1) if rest[:size] in self._lower), 0)
            if size:
                found.append(self._lower[rest[:size]])
            elif rest[0] != SPACE:
                found += self._known(rest[0])
            rest = rest[size or 1:]
        return found

    def unknown_characters(self, text: str) -> set[str]:
        """The characters of a text that only the unknown unit can stand for (bytes spell every character)."""
        found = set()
        for character in {character for word in normal.words(normal.normalize(text)) for character in word}:
            with contextlib.suppress(UserError):
                if self.unknown not in self.spell(character):
                    continue
            found.add(character)
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """Normalized text of ids; blank, unknown and other special tokens give nothing."""
        return normal.join(word for word, _, _ in self.word_spans(ids))

    def word_spans(self, ids: Iterable[int]) -> list[tuple[str, int, int]]:
        """The scoring tokens of `decode(ids)`, each with the places in ids (first, last + 1) that spell it."""
        found: list[tuple[str, int, int]] = []
        letters, first, last = "", 0, 0
        for character, start, end in [*self._characters(list(ids)), (SPACE, 0, 0)]:
            han = normal.is_han(character)
            if letters and (han or character == SPACE):
                found += [(word, first, last) for word in normal.words(normal.normalize(letters))]
                letters = ""
            if han:
                found += [(word, start, end) for word in normal.words(normal.normalize(character))]
            elif character != SPACE:
                first = first if letters else start
                letters, last = letters + character, end
        return found

    def _characters(self, ids: list[int]) -> list[tuple[str, int, int]]:
        """Every character with the places in ids that spell it; bytes that are no UTF-8 are dropped."""
        found: list[tuple[str, int, int]] = []
        pending: list[int] = []
        for place, number in enumerate([*ids, self.blank]):
            token = self.tokens[number] if place < len(ids) else BLANK
            byte = _BYTE.fullmatch(token)
            if byte:
                pending.append(int(byte.group(1), 16))
                continue
            start = place - len(pending)
            for character in bytes(pending).decode(errors="ignore"):
                found.append((character, start, min(start + len(character.encode()), place)))
                start += len(character.encode())
            pending = []
            if not _SPECIAL.fullmatch(token):
                found += [(SPACE if character.isspace() else character, place, place + 1) for character in token]
        return found

    def save(self, directory: str | Path) -> None:
        """Write units.json, tokens.txt and, where there are byte-pair pieces, bpe.model."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if self._model:
            with atomic_path(directory / MODEL) as path:
                path.write_bytes(self._model)
        write_text(directory / TOKENS, "".join(f"{token} {number}\n" for number, token in enumerate(self.tokens)))
        write_json(directory / ABOUT, {"format": 1, "size": len(self), "pieces": bool(self._model),
                                       "config": None if self.config is None else asdict(self.config)})

    @classmethod
    def load(cls, directory: str | Path) -> Units:
        """
        Raises:
            UserError: no units there, or damaged ones.
        """
        directory = Path(directory)
        if not (directory / ABOUT).is_file():
            raise UserError(f"{directory} has no {ABOUT}: it holds no units of a recognizer")
        about = read_json(directory / ABOUT, FORM, "copy or train the recognizer again")
        tokens = read_tokens(directory / TOKENS)
        if len(tokens) != about["size"] or (about["pieces"] and not (directory / MODEL).is_file()):
            raise UserError(f"{directory} is damaged: {TOKENS} or {MODEL} is not what {ABOUT} says; copy or train the "
                            "recognizer again")
        config = None if about["config"] is None else from_dict(UnitsConfig, about["config"])
        return cls(tokens, config, (directory / MODEL).read_bytes() if about["pieces"] else b"")

    @classmethod
    def from_tokens(cls, path: str | Path) -> Units:
        """The units of a foreign model, of its tokens.txt alone.

        Raises:
            UserError: a line that is not `token id`, an id twice or left out.
        """
        return cls(read_tokens(Path(path)))


def read_tokens(path: Path) -> list[str]:
    """The tokens of a tokens.txt by id. A token may be a space: sherpa-onnx has lines of a space, a space and the id.

    Raises:
        UserError: naming file and line.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: a recognizer has its tokens there, one `token id` a line")
    found: dict[int, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        token, _, last = line.rstrip().rpartition(" ") if " " in line.strip() or line[0] == " " \
            else line.rpartition("\t")
        if not last.strip().isdigit() or int(last) in found:
            raise UserError(f"{path}, line {number}: expected `token id` with an id of its own; found {line!r}")
        token = token.rstrip("\t")
        found[int(last)] = SPACE if token.strip() in ("", "<space>") else token
    if sorted(found) != list(range(len(found))) or not found:
        absent = next(number for number in range(len(found) + 1) if number not in found)
        raise UserError(f"{path}: no token has the id {absent}")
    return [found[number] for number in range(len(found))]
