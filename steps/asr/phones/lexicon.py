"""How words are spelled: by a recognizer's units, by the phones of a Kaldi lexicon, or by their own letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from steps.asr.units import Units
from steps.text.normal_form import normalize, words
from utils.errors import UserError
from utils.text_files import read_lines

Symbol = int | str
Spelling = tuple[Symbol, ...]


class Lexicon(Mapping[str, "list[Spelling]"]):
    """A mapping from words in normal form to their spellings, sorted by word; every word has at least one.

    Attributes:
        left_out: words that were asked for or listed and cannot be spelled, sorted.
    """

    def __init__(self, spellings: Mapping[str, Iterable[Spelling]], left_out: Iterable[str] = ()):
        self._spellings = {word: list(dict.fromkeys(spellings[word])) for word in sorted(spellings)}
        self.left_out = sorted(set(left_out))

    def __getitem__(self, word: str) -> list[Spelling]:
        return self._spellings[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spellings)

    def __len__(self) -> int:
        return len(self._spellings)

    @property
    def symbols(self) -> list[Symbol]:
        """Every unit or phone that occurs, sorted."""
        return sorted({symbol for spellings in self.values() for spelling in spellings for symbol in spelling},
                      key=lambda symbol: (isinstance(symbol, str), symbol))

    @classmethod
    def of_words(cls, vocabulary: Iterable[str], units: Units) -> Lexicon:
        """Words spelled by unit ids, one spelling each: the one that the recognizer was trained on.

        A word with a character that only the unknown unit stands for, or no scoring token at all, is left out.
        """
        spelled: dict[str, list[Spelling]] = {}
        left_out = []
        for word in vocabulary:
            key = normalize(word)
            if key in spelled:
                continue
            if not key or units.unknown_characters(key):
                left_out.append(word)
            else:
                spelled[key] = [tuple(units.encode(key))]
        return cls(spelled, left_out)

    @classmethod
    def read(cls, path: str | Path, stress: bool = True) -> Lexicon:
        """A Kaldi lexicon.txt: `word phone phone ...`, several lines a word; lexiconp.txt has a probability between.

        Entries such as <UNK> and !SIL are no words; they, and words without a form of their own in normalized text
        ("well-known" is two words there), are left out. `word(2)` is another pronunciation of `word`.

        Args:
            stress: False removes digits at the end of phones (stress, tone).

        Raises:
            UserError: no such file, a line without phones, or no word at all; names file and line.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{path} does not exist: a lexicon has lines of a word and its phones")
        spelled: dict[str, list[Spelling]] = {}
        left_out = []
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip() or line.startswith(";;;"):
                continue
            word, *phones = line.split()
            if path.name == "lexiconp.txt":
                phones = phones[1:]
            if not phones:
                raise UserError(f"{path}, line {number}: expected a word and its phones; found {line.strip()!r}")
            key = _key(word)
            if not key:
                left_out.append(word)
                continue
            spelled.setdefault(key, []).append(tuple(phones if stress else (_plain(phone) for phone in phones)))
        if not spelled:
            raise UserError(f"{path} has no word: a lexicon has lines of a word and its phones")
        return cls(spelled, left_out)

    @classmethod
    def of_letters(cls, vocabulary: Iterable[str]) -> Lexicon:
        """Words spelled by their own letters (graphemes), apostrophes unspoken; for languages without a lexicon."""
        keys = {normalize(word): word for word in vocabulary}
        return cls({key: [_letters(key)] for key in keys if key}, [word for key, word in keys.items() if not key])

    def with_letters(self, vocabulary: Iterable[str]) -> Lexicon:
        """This lexicon and, spelled by their letters, the words that it lacks.

        Letters are lower case, the phones of the usual lexicons upper case: what stands for what stays apart.
        """
        more = Lexicon.of_letters(word for word in vocabulary if normalize(word) not in self)
        return Lexicon({**more, **self}, [*self.left_out, *more.left_out])

    def missing(self, vocabulary: Iterable[str]) -> list[str]:
        """The words of a vocabulary (in normal form) that have no spelling, sorted."""
        return sorted({word for word in vocabulary if word not in self})


def _key(word: str) -> str:
    """The normal form of a lexicon's word; "" where it is no word of normalized text."""
    if word.startswith(("<", "!", "[")):
        return ""
    if word.endswith(")") and "(" in word and word[word.rindex("(") + 1:-1].isdigit():
        word = word[:word.rindex("(")]
    key = normalize(word)
    return key if key and " " not in key and words(key) else ""


def _plain(phone: str) -> str:
    return phone.rstrip("0123456789") or phone


def _letters(word: str) -> Spelling:
    return tuple(character for character in word if character not in " '")
