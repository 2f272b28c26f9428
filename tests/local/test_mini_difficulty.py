"""How hard the synthetic corpus is: sound alone and true text alone both help, and neither suffices."""

import os
import subprocess

import numpy as np
import pytest

from local import mini
from utils.files import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("mini") / "full"
    tasks = str(min(4, os.cpu_count() or 1))
    subprocess.run([ROOT / "steps" / "synthesize_corpus.sh", "--corpus", "mini", "--nj", tasks, out], check=True)
    return mini.rows(out)


def parts(rows):
    """Row numbers and labels of train and test."""
    [official] = mini.protocols(rows)
    labels = np.array([row.fields["emotion"] for row in rows])
    at = {part: np.flatnonzero([official.folds[0][row.id] == part for row in rows]) for part in ("train", "test")}
    return labels, at["train"], at["test"]


def maf(labels, predicted):
    from sklearn.metrics import f1_score

    return 100 * f1_score(labels, predicted, average="macro")


def test_sound_alone_is_neither_useless_nor_enough(corpus):
    import opensmile
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    smile = opensmile.Smile("IS10", feature_level="func", num_workers=os.cpu_count(), multiprocessing=True)
    features = np.nan_to_num(smile.process_files([str(row.path) for row in corpus]).to_numpy())
    labels, train, test = parts(corpus)
    models = {"svm": make_pipeline(StandardScaler(), LinearSVC(C=1e-4, class_weight="balanced")),
              "forest": RandomForestClassifier(300, class_weight="balanced", min_samples_leaf=2, random_state=0)}
    for name, model in models.items():
        score = maf(labels[test], model.fit(features[train], labels[train]).predict(features[test]))
        print(f"{name} on IS10: MAF {score:.1f}")
        assert 40 <= score <= 85


def test_true_text_alone_is_neither_useless_nor_enough(corpus):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    labels, train, test = parts(corpus)
    texts = np.array([row.fields["text"] for row in corpus])
    for cost in (0.1, 1.0, 10.0):
        model = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True),
                              LinearSVC(C=cost, class_weight="balanced"))
        score = maf(labels[test], model.fit(texts[train], labels[train]).predict(texts[test]))
        print(f"linear SVM on the true text, C = {cost}: MAF {score:.1f}")
        assert 40 <= score <= 80


def test_all_of_it_is_under_forty_minutes(corpus):
    minutes = sum((row.path.stat().st_size - 44) / 32000 for row in corpus) / 60
    print(f"{len(corpus)} utterances, {minutes:.1f} minutes")
    assert minutes < 40
