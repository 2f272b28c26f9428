"""Options of an i-vector extractor and its training: conf/ivector_extractor.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field

from steps.ivector.backend import BackendConfig
from steps.ivector.gmm import GmmConfig
from steps.ivector.speaker_features import SpeakerFeaturesConfig
from steps.ivector.supervised_ubm import SupervisedUbmConfig
from steps.ivector.total_variability import TotalVariabilityConfig
from utils.config import option

PHONE_STATES, CLUSTERS, TOKENS, GMM = KINDS = ("phone_states", "clusters", "tokens", "gmm")


@dataclass
class ClustersConfig:
    """k-means over the recognizer's hidden states."""

    number: int = option(512, min=1, max=100_000)
    iterations: int = option(20, min=1, max=1000)


@dataclass
class IvectorExtractorConfig:
    """occupancy: what tells the components of a frame; all but gmm take a recognizer.

    Attributes:
        cepstra: conf/<name>.yaml of the cepstra. prune: posteriors below are dropped, the rest of the frame is scaled.
        learning_frames: frames from which the mixture or the clusters are learned (the others take all).
    """

    occupancy: str = option(PHONE_STATES, choices=KINDS)
    cepstra: str = option("speaker_mfcc")
    speaker_features: SpeakerFeaturesConfig = field(default_factory=SpeakerFeaturesConfig)
    prune: float = option(0.02, min=0.0, max=0.5)
    learning_frames: int = option(300_000, min=1, max=10**9, help="lower it where memory is short")
    gmm: GmmConfig = field(default_factory=GmmConfig)
    clusters: ClustersConfig = field(default_factory=ClustersConfig)
    ubm: SupervisedUbmConfig = field(default_factory=SupervisedUbmConfig)
    total_variability: TotalVariabilityConfig = field(default_factory=TotalVariabilityConfig)
    backend: BackendConfig = field(default_factory=BackendConfig)
    seed: int = option(0, min=0, max=2**31)
