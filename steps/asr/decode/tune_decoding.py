"""Choose the weight of the language model and the penalty of the blank on a dev part.

First the penalty, at the weight of conf/asr_decode.yaml, then the weight, at the best penalty. The choice is stored in
the graph's directory, GRAPH/decoding.json, and is what decoding with this graph starts from; `--set` has the last word.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError
from utils.files import read_json, write_json

if TYPE_CHECKING:
    from steps.asr.decode.graph import Graph
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.data.dataset import Dataset

SETTINGS = "decoding.json"
PENALTIES = (0.0, 1.5, 3.0)
SCALES = (0.4, 1.1)


def settings(graph: Path | None) -> list[str]:
    """What was chosen for a graph, as `key=value`; nothing where nobody tuned it."""
    if graph is None or not (graph / SETTINGS).is_file():
        return []
    try:
        return [f"{key}={value}" for key, value in read_json(graph / SETTINGS)["chosen"].items()]
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{graph / SETTINGS} is damaged ({error}); build the graph again") from error


def tune(recognizer: Recognizer, graph: Graph, data: Dataset, protocol: str, features: Path) -> dict[str, Any]:
    """Decode dev with each setting, keep the one of fewest errors, write GRAPH/decoding.json.

    Raises:
        UserError: dev has no transcripts.
    """
    from kaldialign import edit_distance

    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.decode import make_decoder
    from steps.features.store import FeatureStore
    from steps.scoring.choice import middle_of_best
    from steps.text.normal_form import normalize, words
    from utils.config import load_config

    store = FeatureStore.open(features)
    items = [data.items[key] for key in data.split(protocol).ids(1, "dev") if key in store and data.items[key].text]
    references = [words(normalize(item.text or "", item.language)) for item in items]
    total = sum(map(len, references))
    if not total:
        raise UserError(f"{data.path}: the dev part of {protocol} has no transcript to tune decoding on", 2)
    posteriors = recognizer.log_posteriors([store[item.id] for item in items])

    def error_rate(scale: float, penalty: float) -> float:
        config = load_config(DecodeConfig, "asr_decode", ["method=graph", f"lm_scale={scale}",
                                                          f"blank_penalty={penalty}"])
        decoder = make_decoder(config, recognizer.units, recognizer.frame_shift, graph)
        guesses = [decoder.decode(rows) for rows in posteriors]
        wrong = sum(edit_distance(reference, list(guess[0].words) if guess else [])["total"]
                    for reference, guess in zip(references, guesses, strict=True))
        return 100 * wrong / total

    start = load_config(DecodeConfig, "asr_decode").lm_scale
    tried = {(start, penalty): error_rate(start, penalty) for penalty in PENALTIES}
    penalty = PENALTIES[middle_of_best(PENALTIES, [-rate for rate in tried.values()])]
    scales = sorted({start, *SCALES})
    tried |= {(scale, penalty): error_rate(scale, penalty) for scale in scales if scale != start}
    best = scales[middle_of_best(scales, [-tried[scale, penalty] for scale in scales])], penalty
    found = {"chosen": {"lm_scale": best[0], "blank_penalty": best[1]}, "dev_WER": round(tried[best], 2),
             "tuned_on": {"corpus": data.name, "protocol": protocol, "part": "dev", "utterances": len(items)},
             "tried": [{"lm_scale": scale, "blank_penalty": value, "WER": round(rate, 2)}
                       for (scale, value), rate in tried.items()]}
    write_json(graph.directory / SETTINGS, found)
    return found
