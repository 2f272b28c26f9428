"""Options of the networks, apart from the networks: who reads a configuration need not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from utils.config import option

POOLINGS = ("attention", "mean", "last")
FRONT_ENDS = ("leaf", "mel_pcen", "log_mel")
HEADS = ("time_average", "average")
ASR_ENCODER = "asr_encoder"  # its sizes are `encoder`, not a width
ARCHITECTURES = ("resnet50", "resnet101", "resnet152", "pyresnet50", "pyresnet101", "pyresnet152", "vgg11", "vgg16",
                 "mts", "head_fusion", ASR_ENCODER)


@dataclass
class MultitaskConfig:
    """What the ensemble's networks share."""

    tasks: dict[str, float] = option({"emotion": 1.0, "speaker": 0.3, "gender": 0.6}, least=1, min=0.0, max=1e6,
                                     help="task: weight of its loss")
    input_dropout: float = option(0.0, min=0.0, max=0.99, help="on the features")
    input_noise: float = option(0.0, min=0.0, max=1000.0,
                                help="standard deviation of Gaussian noise on the normalized features")


@dataclass
class MultitaskDnnConfig(MultitaskConfig):
    """Sizes and regularization; the publication names no dropout, so 0 is as published."""

    trunk: list[int] = option([4096, 4096], min=1, max=65536, help="widths of the shared layers")
    branch: list[int] = option([1024], min=1, max=65536, help="widths of each task's own hidden layers")
    dropout: float = option(0.0, min=0.0, max=0.99, help="after each hidden layer")


@dataclass
class AttentionRnnConfig(MultitaskConfig):
    """Sizes and regularization; the publications name no dropout, so 0 is as published."""

    projection: list[int] = option([256], min=1, max=65536, help="widths of the layers that each frame goes through")
    cell: str = option("lstm", choices=("lstm", "advanced"))
    hidden: int = option(128, min=1, max=65536, help="units a direction")
    layers: int = option(1, min=1, max=1000, help="recurrent layers")
    steps_back: list[int] = option([1, 3, 5], least=1, min=1, max=1000,
                                   help="cell advanced: the states that a step combines")
    pooling: str = option("attention", choices=POOLINGS)
    branch: list[int] = option([256], min=1, max=65536, help="widths of each task's own hidden layers")
    dropout: float = option(0.0, min=0.0, max=0.99, help="after each projection, recurrent and hidden layer")


@dataclass
class ContextBigruConfig:
    """Sizes and regularization of steps/models/context_bigru.py."""

    projection: list[int] = option([128], min=1, max=65536,
                                   help="widths of the layers that each utterance goes through")
    hidden: int = option(64, min=1, max=65536, help="units a direction")
    layers: int = option(1, min=1, max=1000, help="recurrent layers")
    branch: list[int] = option([], min=1, max=65536, help="widths of each task's own hidden layers")
    tasks: dict[str, float] = option({"emotion": 1.0}, least=1, min=0.0, max=1e6, help="task: weight of its loss")
    input_dropout: float = option(0.0, min=0.0, max=0.99, help="on the inputs")
    dropout: float = option(0.0, min=0.0, max=0.99, help="after each projection, recurrent and hidden layer")


@dataclass
class WaveformCnnConfig:
    """Sizes and regularization of steps/models/waveform_cnn.py."""

    kernel: int = option(400, min=1, max=65536, help="samples that a filter of the first layer sees")
    stride: int = option(160, min=1, max=65536, help="samples between two of its outputs")
    channels: list[int] = option([64, 64, 128, 128], least=1, min=1, max=65536, help="of each layer; each "
                                 "but the first sees 3 outputs of the one below, every second time")
    embedding: int = option(100, min=1, max=65536, help="values of an utterance's embedding")
    branch: list[int] = option([], min=1, max=65536, help="widths of each task's own hidden layers")
    tasks: dict[str, float] = option({"emotion": 1.0}, least=1, min=0.0, max=1e6, help="task: weight of its loss")
    dropout: float = option(0.0, min=0.0, max=0.99, help="on the embedding and after hidden layers")


@dataclass
class ImageCnnConfig:
    """Sizes and regularization of steps/models/image_cnn.py."""

    channels: list[int] = option([32, 64, 128], least=1, min=1, max=65536,
                                 help="of each layer; each halves height and width")
    embedding: int = option(100, min=1, max=65536, help="values of an utterance's embedding")
    branch: list[int] = option([], min=1, max=65536, help="widths of each task's own hidden layers")
    tasks: dict[str, float] = option({"emotion": 1.0}, least=1, min=0.0, max=1e6, help="task: weight of its loss")
    dropout: float = option(0.0, min=0.0, max=0.99, help="on the embedding and after hidden layers")


@dataclass
class TextBigruConfig:
    """Sizes of the publication (100 each), and regularization, which it does not name."""

    unit_embedding: int = option(100, min=1, max=65536, help="values of a unit's embedding")
    hidden: int = option(100, min=1, max=65536, help="units a direction")
    layers: int = option(2, min=1, max=1000, help="recurrent layers")
    pooling: str = option("last", choices=("last", "mean"), help="of the states of the last layer: where each "
                          "direction has read everything, or the mean")
    embedding: int = option(100, min=1, max=65536, help="values of an utterance's embedding")
    branch: list[int] = option([], min=1, max=65536, help="widths of each task's own hidden layers")
    tasks: dict[str, float] = option({"emotion": 1.0}, least=1, min=0.0, max=1e6, help="task: weight of its loss")
    input_dropout: float = option(0.0, min=0.0, max=0.99, help="on the units' embeddings")
    dropout: float = option(0.0, min=0.0, max=0.99, help="after each recurrent layer, the embedding and hidden layers")


@dataclass
class SpectrogramNetworkConfig:
    """Sizes and regularization; the publication names no dropout and no hidden layer, as the defaults have none."""

    architecture: str = option("pyresnet50", choices=ARCHITECTURES)
    width: float = option(1.0, min=0.01, max=4.0, help="share of the published numbers of channels")
    head: str = option("time_average", choices=HEADS, help="average over time, or over time and frequency")
    branch: list[int] = option([], min=1, max=65536, help="widths of each task's own hidden layers")
    tasks: dict[str, float] = option({"emotion": 1.0}, least=1, min=0.0, max=1e6, help="task: weight of its loss")
    dropout: float = option(0.0, min=0.0, max=0.99, help="before and in the branches")
    encoder: ConformerConfig | None = None  # of asr_encoder; None: its defaults


@dataclass
class FrontEndConfig:
    """Frames of waveforms of 16 kHz: steps/models/front_end.py."""

    kind: str = option("leaf", choices=FRONT_ENDS)
    bands: int = option(40, min=36, max=256, help="36 is the fewest that the convolutions take")
    window: float = option(25.0, min=4.0, max=32.0, help="milliseconds")
    stride: float = option(30.0, min=1.0, max=1000.0, help="milliseconds")
    lowest: float = option(60.0, min=0.0, max=7000.0, help="foot of the first filter, Hz")
    highest: float = option(7800.0, min=100.0, max=8000.0, help="foot of the last filter, Hz")
    pooling_bias: bool = option(False, help="leaf: a learned number is added to each energy, as in "
                                "the released code")


@dataclass
class LeafCnnConfig:
    """Sizes and regularization of steps/models/leaf_cnn.py; the publication names no dropout."""

    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    channels: list[int] = option([32, 32, 64, 64, 128], least=5, min=1, max=65536,
                                 help="of the five convolutions before the last")
    embedding: int = option(100, min=1, max=65536, help="of the last; their means over time")
    branch: list[int] = option([], min=1, max=65536, help="widths of each task's hidden layers")
    tasks: dict[str, float] = option({"emotion": 1.0}, least=1, min=0.0, max=1e6,
                                     help="task: weight of its loss")
    dropout: float = option(0.0, min=0.0, max=0.99, help="before and in the branches")


@dataclass
class ConformerConfig:
    """Sizes; conf/asr_{small,base,large}.yaml."""

    dim: int = option(96, min=8, max=10**5)
    layers: int = option(6, min=1, max=1000)
    heads: int = option(4, min=1, max=1024)
    expansion: int = option(4, min=1, max=64, help="width of the feed-forward modules in units of dim")
    kernel: int = option(15, min=3, max=1001, help="frames of the convolution module; odd")
    channels: int = option(32, min=4, max=65536, help="of the two subsampling convolutions")
    dropout: float = option(0.1, min=0.0, max=0.9)


@dataclass
class TrackGruConfig:
    """Sizes and regularization of steps/models/track_gru.py."""

    projection: list[int] = option([64], min=1, max=65536, help="widths of the layers that each frame goes through")
    hidden: int = option(64, min=1, max=65536, help="units a direction")
    layers: int = option(1, min=1, max=1000, help="recurrent layers")
    dropout: float = option(0.2, min=0.0, max=0.99, help="after each projection and recurrent layer")
