"""Language models: against sums over the vocabulary, a slow implementation of its own, kaldilm, and by hand."""

import json
import math
import random
from collections import Counter, defaultdict

import pytest

from steps.asr.lm import ngram
from steps.asr.lm.ngram import train
from tests.steps.scored_recipe import write_data
from utils.errors import UsageError, UserError


def sentences(count=300, seed=1, size=12):
    """Random walks over a small vocabulary with skewed steps, so that counts of counts are all there."""
    rng = random.Random(seed)
    vocabulary = [f"w{number:02d}" for number in range(size)]
    found = []
    for _ in range(count):
        words, place = [], rng.randrange(size)
        for _ in range(rng.randrange(0, 8)):
            words.append(vocabulary[place])
            place = min(size - 1, int(rng.expovariate(0.35))) if rng.random() < 0.6 else (place * 5 + 1) % size
        found.append(words)
    return found


class Slow:
    """Chen & Goodman's formulas over dictionaries of tuples, one probability at a time."""

    def __init__(self, text, order):
        padded = [("<s>", *words, "</s>") for words in text]
        self.vocabulary = sorted({word for words in padded for word in words} - {"<s>"} | {"<unk>"})
        raw = {n: Counter(tuple(words[i:i + n]) for words in padded for i in range(len(words) - n + 1))
               for n in range(1, order + 1)}
        self.counts = {order: raw[order]}
        for n in range(1, order):
            left = Counter(gram[1:] for gram in raw[n + 1])
            self.counts[n] = {gram: raw[n][gram] if gram[0] == "<s>" else left[gram] for gram in raw[n]}
        self.counts[1] = {gram: count for gram, count in self.counts[1].items() if gram != ("<s>",)}
        self.discount = {}
        for n, counts in self.counts.items():
            t = Counter(counts.values())
            if all(t[c] for c in (1, 2, 3, 4)):
                y = t[1] / (t[1] + 2 * t[2])
                d = {c: c - (c + 1) * y * t[c + 1] / t[c] for c in (1, 2, 3)}
                assert all(0 < d[c] <= c for c in d), "choose another text"
            else:
                d = {1: 0.5, 2: 1.0, 3: 1.5}
            self.discount[n] = d
        self.followers = {n: defaultdict(list) for n in self.counts}
        for n, counts in self.counts.items():
            for gram, count in counts.items():
                self.followers[n][gram[:-1]].append(count)

    def probability(self, history, word):
        n = len(history) + 1
        if n == 0 or not history:
            below = 1 / len(self.vocabulary)
            n = 1
        else:
            below = self.probability(history[1:], word)
        following = self.followers[n][history]
        if not following:
            return below
        total, count = sum(following), self.counts[n].get((*history, word), 0)
        share = sum(self.discount[n][min(c, 3)] for c in following) / total
        return (count - (self.discount[n][min(count, 3)] if count else 0)) / total + share * below


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_probability_is_that_of_a_slow_implementation(order):
    text = sentences()
    model, slow = train(text, order), Slow(text, order)
    histories = {tuple((["<s>"] + words)[max(0, i + 1 - order + 1):i + 1]) for words in text[:60]
                 for i in range(len(words) + 1)} if order > 1 else {()}
    histories |= {("w01",), ("w03", "w11"), ("w11", "w11")} if order > 2 else set()
    for history in sorted(histories):
        for word in slow.vocabulary:
            assert 10 ** model.log_prob(history, word) == pytest.approx(slow.probability(history, word), rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"prune": (0, 0, 1)}, {"prune": (0, 1, 2)},
                                     {"vocabulary": ["w01", "w02", "w03", "never"]}])
def test_probabilities_sum_to_one_after_every_history(options):
    model = train(sentences(), 3, **options)
    rng = random.Random(0)
    histories = [[], ["<s>"], ["never heard of"], *([rng.choice(model.words), rng.choice(model.words)]
                                                    for _ in range(60)),
                 *(["<s>", word] for word in model.words)]
    for history in histories:
        total = sum(10 ** model.log_prob(history, word) for word in model.words if word != "<s>")
        assert total == pytest.approx(1.0, abs=1e-9)


def test_a_bigram_model_by_hand():
    """a b / a b / a c. Bigrams <s>a 3, ab 2, b</s> 2, ac 1, c</s> 1: too few counts, discounts 0.5, 1, 1.5.

    Unigrams by left neighbors: a 1, b 1, c 1, </s> 2 of 5; discounts 0.5 0.5 0.5 1, so 2.5 / 5 goes to 5 words alike.
    """
    model = train([["a", "b"], ["a", "b"], ["a", "c"]], 2)
    p_b = 0.5 / 5 + 0.5 * 0.2
    assert 10 ** model.log_prob([], "b") == pytest.approx(p_b)
    assert 10 ** model.log_prob([], "<unk>") == pytest.approx(0.5 * 0.2)
    assert 10 ** model.log_prob([], "</s>") == pytest.approx((2 - 1) / 5 + 0.5 * 0.2)
    assert 10 ** model.log_prob(["a"], "b") == pytest.approx((2 - 1) / 3 + (0.5 + 1) / 3 * p_b)
    assert 10 ** model.log_prob(["a"], "a") == pytest.approx((0.5 + 1) / 3 * p_b)
    assert all(order.fell_back for order in model.orders)


def test_perplexity_is_that_of_the_slow_implementation():
    text, held_out = sentences(), sentences(40, seed=9)
    model, slow = train(text, 3), Slow(text, 3)
    logs = []
    for words in held_out:
        padded = ("<s>", *words, "</s>")
        logs += [math.log(slow.probability(padded[max(0, i - 2):i], padded[i])) for i in range(1, len(padded))]
    found = model.perplexity(held_out)
    assert found.value == pytest.approx(math.exp(-sum(logs) / len(logs)))
    assert (found.sentences, found.words, found.unknown) == (40, sum(map(len, held_out)), 0)
    assert found.known == found.value
    more = model.perplexity([*held_out, ["nobody", "w01"]])
    assert more.unknown == 1 and more.known < more.value


def arpa_of(path):
    """{n-gram: (log10 p, log10 backoff or None)} and the announced numbers, read as the format says."""
    grams, announced = {}, {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("ngram "):
            number, count = line[6:].split("=")
            announced[int(number)] = int(count)
        elif "\t" in line:
            cells = line.split("\t")
            grams[tuple(cells[1].split(" "))] = (float(cells[0]), float(cells[2]) if len(cells) > 2 else None)
    return grams, announced


@pytest.mark.parametrize("prune", [(), (0, 0, 1), (0, 1, 1)])
def test_the_arpa_file_holds_the_model_with_every_prefix_and_suffix(tmp_path, prune):
    model = train(sentences(), 3, prune=prune)
    model.write_arpa(tmp_path / "lm.arpa")
    grams, announced = arpa_of(tmp_path / "lm.arpa")
    assert announced == dict(Counter(map(len, grams)))
    assert grams[("<s>",)][0] == -99
    for gram, (log_prob, backoff) in grams.items():
        if gram != ("<s>",):
            assert log_prob == pytest.approx(model.log_prob(gram[:-1], gram[-1]), abs=1e-5)
            assert -99 < log_prob < 0
        assert (backoff is None) == (len(gram) == 3 or gram[-1] == "</s>")
        assert len(gram) == 1 or (gram[:-1] in grams and gram[1:] in grams)


def test_pruning_leaves_out_what_is_rare_and_no_unigram():
    text = sentences()
    counts = Counter(tuple(words[i:i + 3]) for words in (["<s>", *s, "</s>"] for s in text)
                     for i in range(len(words) - 2))
    full, pruned = train(text, 3), train(text, 3, prune=(0, 0, 1))
    assert len(full.orders[2].keys) == len(counts)
    assert len(pruned.orders[2].keys) == sum(count > 1 for count in counts.values())
    assert len(pruned.orders[0].keys) == len(full.orders[0].keys)


def test_kaldilm_reads_it_and_its_paths_have_the_models_scores(tmp_path):
    kaldilm = pytest.importorskip("kaldilm")
    text = sentences(80, size=6)
    model = train(text, 3)
    model.write_arpa(tmp_path / "lm.arpa")
    symbols = tmp_path / "words.txt"
    names = ["<eps>", *(word for word in model.words if word not in ("<s>", "</s>")), "#0", "<s>", "</s>"]
    symbols.write_text("".join(f"{name} {number}\n" for number, name in enumerate(names)))
    told = kaldilm.arpa2fst(input_arpa=str(tmp_path / "lm.arpa"), disambig_symbol="#0",
                            read_symbol_table=str(symbols), max_order=3)
    arcs, final, start = defaultdict(list), {}, None
    for cells in filter(None, map(str.split, told.splitlines())):
        start = cells[0] if start is None else start
        if len(cells) >= 4:
            arcs[cells[0]].append((cells[1], names[int(cells[2])], float(cells[4]) if len(cells) > 4 else 0.0))
        else:
            final[cells[0]] = float(cells[1]) if len(cells) > 1 else 0.0

    def cost(state, words):
        """As backing off means: the arc of the word where there is one, else the backoff arc."""
        if not words and state in final:
            return final[state]
        for target, label, weight in arcs[state]:
            if words and label == words[0]:
                return weight + cost(target, words[1:])
        return next(weight + cost(target, words) for target, label, weight in arcs[state] if label == "#0")

    for words in [*text[:20], ["w05", "w05", "w00"], []]:
        padded = ["<s>", *words, "</s>"]
        mine = sum(model.log_prob(padded[max(0, i - 2):i], padded[i]) for i in range(1, len(padded)))
        assert -cost(start, words) / math.log(10) == pytest.approx(mine, abs=1e-4)


def test_the_order_of_the_text_does_not_matter(tmp_path):
    text = sentences()
    train(text, 3).write_arpa(tmp_path / "one")
    random.Random(5).shuffle(text)
    train(iter(text), 3).write_arpa(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_words_outside_the_vocabulary_are_unknown_and_unseen_ones_have_a_share():
    model = train([["a", "b"], ["a", "x"], ["y", "b"]], 2, vocabulary=["b", "a", "new"])
    assert model.words == ["<s>", "</s>", "<unk>", "a", "b", "new"]
    assert model.log_prob(["<s>"], "x") == model.log_prob(["<s>"], "<unk>") > model.log_prob(["<s>"], "new") > -10


@pytest.mark.parametrize("call, error, message", [
    (lambda: train([], 3), UserError, "no text"), (lambda: train([[], []], 3), UserError, "no text"),
    (lambda: train([["a"]], 0), UsageError, "--order 0"), (lambda: train([["a"]], 7), UsageError, "--order 7"),
    (lambda: train([["a", "<s>"]], 2), UserError, "<s> is a word of the text"),
    (lambda: train([["a"]], 2, prune=(0, 2, 1)), UsageError, "--prune 0 2 1"),
    (lambda: train([["a"]], 2, prune=(1, 1)), UsageError, "--prune 1 1"),
    (lambda: train([["a"]], 2).perplexity([]), UserError, "no sentence"),
])
def test_bad_input_is_one_clear_line(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_command_takes_one_part_of_a_data_set_and_says_what_it_was_made_of(tmp_path, capsys):
    rows = [{"id": f"u{i}", "speaker": f"s{i % 3}", "text": " ".join(words).upper() + "."}
            for i, words in enumerate(sentences(30))]
    rows[29]["text"] = "SECRET TEST WORDS"
    split = [(f"u{i}", 1, "train" if i < 20 else "dev" if i < 25 else "test") for i in range(30)]
    data = write_data(tmp_path / "data", rows, {"official": split}, targets=[])
    out = tmp_path / "lm.arpa"
    assert ngram.main(["--data", str(data), "--split", "official", "--order", "2", "--out", str(out)]) == 0
    assert "secret" not in out.read_text() and "\tw0" in out.read_text()
    about = json.loads((tmp_path / "lm.arpa.json").read_text())
    assert about["order"] == 2 and about["trained_on"]["corpus"] == "made-up"
    assert "perplexity on dev" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--data needs --split"):
        ngram.main(["--data", str(data), "--out", str(out)])


def test_the_command_takes_a_text(tmp_path, capsys):
    (tmp_path / "text").write_text("The cat.\nThe DOG!\n\n", encoding="utf-8")
    out = tmp_path / "lm.arpa"
    assert ngram.main(["--text", str(tmp_path / "text"), "--order", "2", "--prune", "0 0", "--out", str(out)]) == 0
    assert "\tthe dog" in out.read_text() and "too little text" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no such file"):
        ngram.main(["--text", str(tmp_path / "nothing"), "--out", str(out)])
