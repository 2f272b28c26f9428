"""A linear SVM with everything chosen on inner folds (steps/subsystems/classical.py) beside plain scikit-learn.

    python tests/bench/selection.py DATA PROTOCOL [--features is10] [--norms "global speaker"] [--folds N]

Both choose C among seven values on inner folds over the speakers of each training part, learn on train and dev, and
decide on test. scikit-learn's machine is one against one with the hinge loss; ours chooses the rule and the loss, too.
UA over all test parts with its interval, the paired test over speakers, and the processor time of each.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from steps.data.dataset import Dataset
from steps.examples.fold import Examples, load_examples
from steps.examples.inner import inner_folds
from steps.inputs.archive import ArchiveSource
from steps.scoring.summary import Summary, compare, figures
from steps.subsystems.classical import LinearSvmConfig, LinearSvmLearner
from steps.subsystems.contract import Workspace

PENALTIES = LinearSvmConfig(kind="linear_svm").C


class Quiet(Workspace):
    def say(self, text: str) -> None:
        pass


def ours(examples: Examples, **options: object) -> np.ndarray:
    config = LinearSvmConfig(kind="linear_svm", refit=True, **options)  # type: ignore[arg-type]
    learner = LinearSvmLearner(config, examples, Quiet(Path(), {}))
    return learner.refit(learner.fit()).predict(examples.test)[examples.target.name].argmax(axis=1)


def by_scikit_learn(examples: Examples) -> np.ndarray:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.svm import SVC

    train, both = examples.train.labelled(), examples.train.join(examples.dev).labelled()
    x, values = train.x.matrix(), []
    for penalty in PENALTIES:
        decided = np.zeros(len(x), dtype=np.int64)
        for learned, held in inner_folds(train.items):
            decided[held] = SVC(C=penalty, kernel="linear").fit(x[learned], train.y[learned]).predict(x[held])
        values.append(balanced_accuracy_score(train.y, decided))
    machine = SVC(C=PENALTIES[int(np.argmax(values))], kernel="linear").fit(both.x.matrix(), both.y)
    return machine.predict(examples.test.x.matrix())


SYSTEMS = {
    "chosen on dev": ours,
    "inner folds: C": lambda examples: ours(examples, selection="inner"),
    "inner folds: C, rule, loss": lambda examples: ours(
        examples, selection="inner", rules=["one_against_rest", "one_against_one"], losses=["hinge", "squared_hinge"]),
    "scikit-learn": by_scikit_learn}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("protocol")
    parser.add_argument("--features", default="is10")
    parser.add_argument("--norms", default="global speaker")
    parser.add_argument("--folds", type=int, metavar="N", help="the first N folds only")
    arguments = parser.parse_args()
    data, store = Dataset.open(arguments.data), ArchiveSource.open(arguments.data, arguments.features)
    split = data.split(arguments.protocol)
    print("| norm | system | UA | against scikit-learn | p | processor time, s |\n|---|---|---|---|---|---|")
    for norm in arguments.norms.split():
        summaries = {name: Summary(len(data.target().classes)) for name in SYSTEMS}
        seconds = dict.fromkeys(SYSTEMS, 0.0)
        for fold in split.folds[:arguments.folds]:
            examples = load_examples(data, {arguments.features: store}, split, fold, norm, 3.0)
            speakers = [item.speaker for item in examples.test.items]
            for name, system in SYSTEMS.items():
                started = time.process_time()
                decided = system(examples)
                seconds[name] += time.process_time() - started
                summaries[name].add_decisions((fold, 0), speakers, examples.test.y, decided)
        for name, summary in summaries.items():
            found, test = figures(summary), (compare(summary, summaries["scikit-learn"]) or {}).get("UA", {})
            ends = found["intervals"].get("UA")
            spread = f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else ""
            told = ("", "") if name == "scikit-learn" else (f"{100 * test['difference']:+.1f}", f"{test['p']:.3f}")
            print(f"| {norm} | {name} | {100 * found['metrics']['UA']:.1f}{spread} | {told[0]} | {told[1]} | "
                  f"{seconds[name]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
