"""Training an i-vector extractor, step by step, so that array tasks share the work and a kill loses a step at most.

    prepare        plan.json; what belongs to another plan is removed
    occupancy      occupancy.1.safetensors: the mixture or the clusters (empty for the other kinds)
    statistics     statistics/: archive.<j>.npy, index.<j>.tsv, failed.<j>.tsv, totals.<j>.safetensors, by task
    ubm            ubm.1.safetensors: the supervised UBM, merged totals; iteration.0/
    accumulate     accumulators/<k>.<j>.safetensors: the E-step of iteration k over the statistics of task j
    update         iteration.<k>/: model, objective; the former iteration and the accumulators are removed
    finish         extractor/: the directory that extraction takes

Each output is whole or not there, so a run that was killed goes on at the first one that is missing. Sums are taken in
the order of the tasks, in float64.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.data.dataset import Dataset, Item
from steps.features import registry
from steps.features.extractor import CannotCompute
from steps.features.plan import share
from steps.features.store import ArchiveWriter, finished_tasks, read_failed
from steps.ivector import em
from steps.ivector.archive import packs, prefixed, read_arrays, rows_of, unprefixed, write_arrays
from steps.ivector.config import CLUSTERS, GMM, IvectorExtractorConfig
from steps.ivector.extractor import open_asr, records_behind, save_extractor, statistics_of
from steps.ivector.gmm import Gmm
from steps.ivector.learning import learn
from steps.ivector.occupancies import HeadAlone, Occupier, open_occupier
from steps.ivector.speech import Speech
from steps.ivector.statistics import Pack, Totals, sum_totals
from steps.ivector.supervised_ubm import supervised_ubm
from steps.ivector.total_variability import TotalVariability, initialize
from utils.array_plan import ArrayPlan, stage_inputs
from utils.errors import UserError
from utils.files import atomic_directory, read_json, recover_directory, write_json

if TYPE_CHECKING:
    from steps.asr.recognizers.recognizer import Recognizer

OBJECTIVES = "objectives.1.json"
LEAVES = ("finished.*.json", "occupancy.*.safetensors", "ubm.*.safetensors", "statistics", "accumulators",
          "iteration.*", ".iteration.*.tmp", "extractor")
FEWEST_UTTERANCES = 2


@dataclass
class Training:
    """One training run: what is known before anything is computed.

    Attributes:
        out: its directory. tasks: number of array tasks. device: where the E-step runs.
        component: what the leak audit calls the result.
    """

    data: Dataset
    ids: list[str]
    protocol: str
    part: str
    config: IvectorExtractorConfig
    asr: Path | None
    out: Path
    tasks: int
    device: str = "cpu"
    _items: dict[str, Item] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.ids) < FEWEST_UTTERANCES:
            raise UserError(f"{self.data.path}: part {self.part} of protocol {self.protocol} has {len(self.ids)} "
                            f"utterances; an extractor needs {FEWEST_UTTERANCES} or more")
        self._items = {key: self.data.items[key] for key in self.ids}

    # --- what it works with -----------------------------------------------------------------------------------------

    @cached_property
    def recognizer(self) -> Recognizer | HeadAlone | None:
        return None if self.config.occupancy == GMM else open_asr(self.asr, self.config.occupancy)

    @cached_property
    def speech(self) -> Speech:
        """Reads the training utterances."""
        cepstra = registry.create(self.config.cepstra)
        if getattr(cepstra.config, "extractor", "") != "mfcc":
            raise UserError(f"cepstra: {self.config.cepstra} are no cepstra; accepted: a name whose conf/ says "
                            "extractor: mfcc", 2)
        return Speech(cepstra, self.config.speaker_features, self.recognizer, self.data.path)  # type: ignore[arg-type]

    @cached_property
    def occupancy_arrays(self) -> dict[str, np.ndarray]:
        return read_arrays(self.out / "occupancy.1.safetensors")

    @cached_property
    def occupier(self) -> Occupier:
        return open_occupier(self.config.occupancy, self.recognizer, self.asr, self.occupancy_arrays,
                             self.config.prune, self.config.gmm.top)

    def plan(self) -> dict[str, Any]:
        """Everything that decides the values that come out."""
        digest = hashlib.sha256()
        for item in self._items.values():
            digest.update(repr((item.id, item.path, item.start, item.duration, item.speaker)).encode())
        cepstra = registry.create(self.config.cepstra)
        head = self._head_fingerprint()
        return {"config": asdict(self.config), "cepstra": {"options": cepstra.options, "version": cepstra.version},
                "recognizer": head, "data": self.data.name, "protocol": self.protocol, "part": self.part,
                "utterances": len(self._items), "items": digest.hexdigest(), "num_tasks": self.tasks,
                **stage_inputs()}

    def _head_fingerprint(self) -> str:
        """Of the recognizer and its head, before anything was learned."""
        if self.recognizer is None:
            return ""
        if self.config.occupancy == CLUSTERS:
            return self.recognizer.fingerprint
        return open_occupier(self.config.occupancy, self.recognizer, self.asr, {}, self.config.prune).fingerprint

    # --- steps ------------------------------------------------------------------------------------------------------

    def prepare(self) -> int:
        """Write the plan; remove what another one left. Returns how many iterations are done."""
        ArrayPlan(self.out, self.plan(), LEAVES, "training", "steps/train_ivector_extractor.sh").prepare()
        self._tidy()
        return self.iterations_done()

    def _tidy(self) -> None:
        """Remove what a kill has left behind the last iteration; without any, the UBM step is done again."""
        done = self.iterations_done()
        for path in self.out.glob("iteration.*"):
            if path != self.iteration_path(done):
                shutil.rmtree(path)
        for path in (self.out / "accumulators").glob("*"):
            if not path.name.startswith(f"{done + 1}."):
                path.unlink()
        if done < 0:
            (self.out / "ubm.1.safetensors").unlink(missing_ok=True)

    def occupancy(self) -> None:
        """Learn the mixture or the clusters."""
        path = self.out / "occupancy.1.safetensors"
        if not path.is_file():
            write_arrays(path, learn(self.config, self._items.values(), self.speech, self.recognizer))

    def statistics(self, task: int) -> None:
        """Statistics of the utterances of a task, and their totals. Posteriors are never stored."""
        directory = self.out / "statistics"
        if task in finished_tasks(directory):
            print(f"task {task}: its statistics are whole already")
            return
        print(f"task {task}: {self.speech.told()}")
        count, dim = self.occupier.count, self.speech.dim
        totals = Totals.zeros(count, dim)
        with ArchiveWriter(directory, task, dim + 2) as writer:
            for item in share(self._items, task, self.tasks):
                try:
                    utterance = self.speech.of(item)
                except CannotCompute as reason:
                    writer.fail(item.id, str(reason))
                    continue
                occupancies = self.occupier.of(utterance)
                used = np.flatnonzero(np.diff(occupancies.indptr))
                if not len(used):
                    writer.fail(item.id, "no voiced frame belongs to a component")
                    continue
                totals.add(utterance.features[used], occupancies.select(used))
                writer.add(item.id, rows_of(statistics_of(utterance, occupancies)))
            write_arrays(directory / f"totals.{task}.safetensors", totals.to_arrays())
            writer.commit()
        print(f"task {task}: {totals.n.sum():.0f} frames over {int((totals.n > 0).sum())} of {count} components")

    def ubm(self) -> None:
        """The UBM of all totals, and the model that EM starts from."""
        path = self.out / "ubm.1.safetensors"
        if not path.is_file():
            totals = sum_totals(Totals.from_arrays(read_arrays(self.out / "statistics" / f"totals.{task}.safetensors"))
                                for task in range(1, self.tasks + 1))
            ubm, mapping = supervised_ubm(totals, self.config.ubm)
            merged = totals.mapped(mapping)
            write_arrays(path, {**prefixed("gmm", ubm.to_arrays()), **prefixed("totals", merged.to_arrays()),
                                "mapping": mapping})
            print(f"UBM: {len(ubm.weights)} components of {len(mapping)}, {int((mapping < 0).sum())} dropped; "
                  f"{merged.n.sum():.0f} frames, fewest {merged.n.min():.0f}")
        if self.iterations_done() < 0:
            ubm = Gmm.from_arrays(unprefixed("gmm", read_arrays(path)))
            self._write_iteration(0, initialize(ubm, self.config.total_variability, self.config.seed), [])

    def accumulate(self, iteration: int, task: int) -> None:
        """E-step of a task's share with the model of the iteration before."""
        path = self.accumulators_path(iteration, task)
        if not path.is_file():
            model = self.model(iteration - 1)
            sums = em.accumulate(model, self._packs([task]), self.config.total_variability, self.device)
            write_arrays(path, sums.to_arrays())
            print(f"iteration {iteration}, task {task}: {sums.utterances} utterances")

    def update(self, iteration: int) -> None:
        """M-step: the sums of all tasks make the next model; then what it replaces goes."""
        if self.iterations_done() < iteration:
            model, config = self.model(iteration - 1), self.config.total_variability
            totals = Totals.from_arrays(unprefixed("totals", read_arrays(self.out / "ubm.1.safetensors")))
            sums = em.sum_accumulators(em.Accumulators.from_arrays(read_arrays(self.accumulators_path(iteration, task)))
                                       for task in range(1, self.tasks + 1))
            value = em.objective(model, sums, totals)
            objectives = [*read_json(self.iteration_path(iteration - 1) / OBJECTIVES)["objectives"], value]
            self._write_iteration(iteration, em.update(model, sums, totals, config), objectives)
            print(f"iteration {iteration}: {sums.utterances} utterances; before it, log-likelihood a frame {value:.6f}")
        for task in range(1, self.tasks + 1):
            self.accumulators_path(iteration, task).unlink(missing_ok=True)
        shutil.rmtree(self.iteration_path(iteration - 1), ignore_errors=True)

    def finish(self) -> None:
        """Back end on the training speakers, and the extractor's directory."""
        from steps.ivector.backend import Backend
        from steps.ivector.extraction import extract

        last = self.config.total_variability.iterations
        model = self.model(last)
        ids, vectors = [], []
        for keys, pack in self._batches(range(1, self.tasks + 1)):
            found = extract(model, [pack], device=self.device)
            ids += [key for key, empty in zip(keys, found.empty, strict=True) if not empty]
            vectors.append(found.vectors[~found.empty])
        speakers = [self._items[key].speaker for key in ids]
        if None in speakers:
            raise UserError(f"{self.data.path}: {speakers.count(None)} training utterances have no known speaker; the "
                            "back end learns from speakers")
        backend = Backend.fit(np.concatenate(vectors), [str(speaker) for speaker in speakers], self.config.backend)
        objectives = read_json(self.iteration_path(last) / OBJECTIVES)["objectives"]
        silent = self.without_statistics()
        save_extractor(self.out / "extractor", self._about(ids, objectives, silent), model, self.mapping,
                       self.occupancy_arrays, backend)
        write_json(self.out / "finished.1.json", {"utterances": len(ids), "speakers": len(set(speakers)),
                                                  "without_statistics": silent, "objectives": objectives})
        for key in silent:
            print(f"  {key}: without statistics, left out")
        print(f"extractor: {model.shape[0]} components, {model.shape[1]} features, {model.shape[2]} dimensions; "
              f"{len(ids)} utterances of {len(set(speakers))} speakers, {len(silent)} without statistics")

    def _about(self, ids: list[str], objectives: list[float], silent: list[str]) -> dict[str, Any]:
        from steps.data.trained_on import describe_training

        cepstra, config = registry.create(self.config.cepstra), self.config
        records = [describe_training(self.data, ids, "i-vector extractor")]
        if self.asr is not None and config.occupancy != GMM:
            records += records_behind(self.asr)
        return {"occupancy": config.occupancy, "prune": config.prune, "top": config.gmm.top,
                "cepstra": {"name": config.cepstra, "options": cepstra.options, "version": cepstra.version},
                "speaker_features": asdict(config.speaker_features), "recognizer": self.occupier.fingerprint,
                "objectives": objectives, "without_statistics": silent, "config": asdict(config),
                "trained_on": records}

    # --- files ------------------------------------------------------------------------------------------------------

    @cached_property
    def mapping(self) -> np.ndarray:
        return read_arrays(self.out / "ubm.1.safetensors")["mapping"]

    def _batches(self, tasks: Any) -> Iterator[tuple[list[str], Pack]]:
        return packs(self.out / "statistics", tasks, self.mapping, self.config.total_variability.batch)

    def _packs(self, tasks: Any) -> Iterator[Pack]:
        return (pack for _, pack in self._batches(tasks))

    def iteration_path(self, iteration: int) -> Path:
        return self.out / f"iteration.{iteration}"

    def accumulators_path(self, iteration: int, task: int) -> Path:
        return self.out / "accumulators" / f"{iteration}.{task}.safetensors"

    def _write_iteration(self, iteration: int, model: TotalVariability, objectives: list[float]) -> None:
        with atomic_directory(self.iteration_path(iteration)) as directory:
            write_arrays(directory / "model.safetensors", model.to_arrays())
            write_json(directory / OBJECTIVES, {"iteration": iteration, "objectives": objectives})

    def model(self, iteration: int) -> TotalVariability:
        return TotalVariability.from_arrays(read_arrays(self.iteration_path(iteration) / "model.safetensors"))

    def iterations_done(self) -> int:
        """Number of the last iteration whose model is there; -1 before the first model."""
        for leftover in self.out.glob("iteration.*.previous"):
            recover_directory(leftover.with_suffix(""))
        found = (re.fullmatch(r"iteration\.([0-9]+)", path.name) for path in self.out.glob("iteration.*"))
        return max((int(match[1]) for match in found if match), default=-1)

    def without_statistics(self) -> list[str]:
        """Training utterances that are silent or too short, sorted."""
        return sorted(key for task in range(1, self.tasks + 1)
                      for key in read_failed(self.out / "statistics" / f"failed.{task}.tsv"))
