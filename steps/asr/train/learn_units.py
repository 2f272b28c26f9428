"""Which units a recognizer has: learned from the text that it is trained on."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable

from steps.asr.units import BLANK, BYTES, SPACE, UNKNOWN, Units, UnitsConfig
from steps.text import normal_form as normal
from utils.errors import UsageError, UserError


def learn_units(texts: Iterable[str], config: UnitsConfig | None = None, seed: int = 0) -> Units:
    """Units of these texts; they depend on the counts of the words alone, not on the order of the texts.

    Args:
        seed: taken so that every trained part has one; training makes no random choice.

    Raises:
        UserError: there is no text. UsageError: fewer pieces than characters.
    """
    config = config or UnitsConfig()
    counts = Counter(word for text in texts for word in normal.words(normal.normalize(text)))
    if not counts:
        raise UserError("units: there is no text to learn them from; the training part has no transcript with a "
                        "letter or digit in it")
    spelled = {word: count for word, count in counts.items() if config.kind == "bpe" or not normal.is_han(word)}
    model = b"" if config.kind == "char" or not spelled else _train_pieces(spelled, config.vocabulary)
    tokens = [BLANK, UNKNOWN]
    if model:
        tokens = _pieces_of(model)
    single = Counter[str]()
    for word, count in counts.items():
        if config.kind == "char" or (config.kind == "mixed" and normal.is_han(word)):
            single.update(dict.fromkeys([] if normal.is_han(word) else [SPACE], count))
            single.update({character: count * word.count(character) for character in set(word)})
    frequent = sorted((c for c, count in single.items() if count >= config.minimum_count),
                      key=lambda c: (-single[c], c))
    tokens += [c for c in frequent[:config.characters or None] if c not in set(tokens)]
    if config.by_bytes:
        tokens += BYTES
    return Units(tokens, config, model)


def _pieces_of(model: bytes) -> list[str]:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [pieces.id_to_piece(number) for number in range(len(pieces))]


def _train_pieces(counts: dict[str, int], vocabulary: int) -> bytes:
    """A byte-pair model of words with counts, <blk> at 0 and <unk> at 1.

    Raises:
        UsageError: fewer pieces than characters.
    """
    import sentencepiece

    needed = len({character for word in counts for character in word}) + 3  # <blk>, <unk>, ▁
    if vocabulary < needed:
        raise UsageError(f"units: vocabulary is {vocabulary}, its characters alone need {needed}: raise it, "
                         "or take kind mixed for Chinese")
    model = io.BytesIO()
    # Words with counts rather than texts: memory of the vocabulary's size, and no limit on a line's length.
    words = (f"{word}\t{count}" for word, count in sorted(counts.items()))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=words, input_format="tsv", model_writer=model, model_type="bpe", vocab_size=vocabulary,
        hard_vocab_limit=False, character_coverage=1.0, normalization_rule_name="identity", pad_id=0, pad_piece=BLANK,
        unk_id=1, unk_piece=UNKNOWN, bos_id=-1, eos_id=-1, split_by_unicode_script=False, split_by_number=False,
        num_threads=1, minloglevel=2)
    found = len(_pieces_of(model.getvalue()))
    if found < vocabulary:
        print(f"note: the text has {found} pieces, not {vocabulary}")
    return model.getvalue()
