"""i-vectors as features of a data set: one vector an utterance, made by steps/features/extract.py's array tasks.

    python -m steps.features.extract --features ivector --from EXTRACTOR --set asr=ASR DATA ...

and, when the tasks are done, what the rest of the repository wants to know of them:

    python -m steps.ivector.extract --extractor EXTRACTOR --out DATA/ivector

writes trained_on.json (for the leak audit) and without_statistics.tsv, and lists the utterances of the latter.
`steps/extract_ivectors.sh` runs both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.features.extractor import Extractor
from utils.arguments import ArgumentParser
from utils.config import option
from utils.errors import UsageError, UserError, run_main
from utils.files import atomic_open

if TYPE_CHECKING:
    import numpy as np

    from steps.data.dataset import Item
    from steps.ivector.extractor import IvectorExtractor

WITHOUT = "without_statistics.tsv"


@dataclass
class IvectorConfig:
    """directory: the extractor's (--from sets it). asr: the recognizer's; none where a mixture tells the components."""

    extractor: str = option("ivector", choices=["ivector"])
    directory: Path | None = None
    asr: Path | None = None


class Ivector(Extractor):
    """Posterior means, computed from the audio. An utterance without statistics (silence) has the prior mean, 0."""

    Config = IvectorConfig
    packages = ("kaldi-native-fbank", "torch")
    config: IvectorConfig

    def __init__(self, name: str, config: IvectorConfig):
        super().__init__(name, config)
        self.kind = "utterance"
        self._ready: IvectorExtractor | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Fingerprints, so that the models may be moved."""
        about = self._extractor.about
        return {"extractor": "ivector", "fingerprint": about["fingerprint"], "occupancy": about["occupancy"],
                "recognizer": about["recognizer"], "dim": self._extractor.dim}

    @property
    def _extractor(self) -> IvectorExtractor:
        if self._ready is None:
            from steps.ivector.extractor import IvectorExtractor

            if self.config.directory is None:
                raise UsageError(f"--features {self.name}: no extractor is named; give --from DIR, or run "
                                 "steps/extract_ivectors.sh")
            self._ready = IvectorExtractor.load(self.config.directory, self.config.asr)
        return self._ready

    def bind(self, items: Mapping[str, Item]) -> None:
        """
        Raises:
            UserError: no extractor, no recognizer, or another one than the extractor was trained with.
        """
        self.dim = self._extractor.dim

    def extract(self, samples: np.ndarray) -> np.ndarray:
        return self.extract_shared(samples, lambda extractor: extractor.extract(samples))

    def extract_shared(self, samples: np.ndarray, compute: Callable[[Extractor], np.ndarray]) -> np.ndarray:
        return self._extractor.heard(compute)[0]

    def extract_item(self, item: Item) -> tuple[np.ndarray, tuple[str, ...]]:
        try:
            vector, empty = self._extractor.of(item)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch's own says so
                raise
            raise UserError(f"out of memory at {item.id} ({item.duration:.0f} s): lower --nj, or ask for more with "
                            "--mem") from error
        return vector, ("without statistics",) if empty else ()


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="steps.ivector.extract", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extractor", required=True, type=Path, metavar="DIR")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="extracted i-vectors, e.g. DATA/ivector")
    arguments = parser.parse_args(argv)
    from steps.data.trained_on import write_training
    from steps.features.store import FeatureStore
    from steps.ivector.extractor import read_about

    about = read_about(arguments.extractor)
    store = FeatureStore.open(arguments.out, {"options": {"fingerprint": about["fingerprint"]}})
    silent = [key for key in store.ids if not store[key].any()]  # the prior mean is exactly 0, no other vector is
    with atomic_open(arguments.out / WITHOUT) as stream:
        stream.writelines(f"{key}\tno statistics: the prior mean\n" for key in silent)
    write_training(arguments.out, about["trained_on"])
    print(f"{arguments.out}: {len(store)} i-vectors of {store.dim} dimensions; {len(silent)} utterances without "
          "statistics have the prior mean")
    for key in silent:
        print(f"  {key}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
