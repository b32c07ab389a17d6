"""Building segmentation networks from plain values."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from pipeline.models.base import NORMALISATIONS, PREPROCESSINGS, Preprocessing, SegmentationModel
from pipeline.models.daformer import HRDA, DAFormer, SegFormer
from pipeline.models.deeplab import DeepLabV2
from pipeline.models.encoders import (
    LITE_BLOCKS,
    TIMM,
    Encoder,
    TimmEncoder,
    build_encoder,
    load_package,
    timm_preprocessing,
    unknown_encoder,
)
from pipeline.models.fcn import FCN8s
from pipeline.models.lenet import LeNet
from pipeline.models.mit import SIZES
from pipeline.models.resnet38 import ResNet38
from pipeline.models.small import SmallModel
from pipeline.models.vit import ViTModel

DEFAULT_SEED = 0
DEFAULT_ENCODER = "mobilenet-v3-small"
MIT_NETWORKS: dict[str, type[SegFormer] | type[DAFormer] | type[HRDA]] = {
    "segformer": SegFormer,
    "daformer": DAFormer,
    "hrda": HRDA,
}
VIT_NETWORKS = ("vit-linear", "vit-upernet")
ONE_HEADED = ("fcn8s-vgg16", "resnet38", "lenet", *MIT_NETWORKS, *VIT_NETWORKS)


@dataclass(frozen=True)
class ModelSpec:
    """What decides a network's layers and input; every value is plain, so it travels in a file.

    `encoder` matters to networks with a choice of them (`has_encoder`), `aspp_branches` to "deeplabv2-resnet101" only.
    """

    architecture: str
    classes: int
    encoder: str
    heads: int
    aspp_branches: int
    preprocessing: str

    @property
    def has_encoder(self) -> bool:
        """Return whether the architecture has a choice of encoders."""
        return self.architecture == "small" or self.architecture in (*MIT_NETWORKS, *VIT_NETWORKS)

    def problems(self) -> list[str]:
        """Return what is wrong with the values, one sentence each."""
        messages = []
        for name, value, choices in (
            ("architecture", self.architecture, list(ARCHITECTURES)),
            ("heads", self.heads, [1] if self.architecture in ONE_HEADED else [1, 2]),
            ("aspp_branches", self.aspp_branches, [2, 4]),
            ("preprocessing", self.preprocessing, list(PREPROCESSINGS)),
        ):
            if value not in choices:
                messages.append(f"{name} is {value!r}; choose one of {', '.join(map(str, choices))}")
        unknown = self._unknown_encoder()
        if unknown is not None:
            messages.append(f"encoder is {self.encoder!r}; {unknown}")
        if self.classes < 2:
            messages.append(f"classes is {self.classes}; a segmentation needs at least 2")
        return messages

    def _unknown_encoder(self) -> str | None:
        if self.architecture in MIT_NETWORKS and self.encoder not in SIZES:
            return f"choose one of {', '.join(SIZES)}"
        if self.architecture in VIT_NETWORKS and not self.encoder.startswith(TIMM):
            return f"choose {TIMM}NAME of a plain vision transformer"
        return unknown_encoder(self.encoder) if self.architecture == "small" else None


def _small(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return SmallModel(spec.classes, build_encoder(spec.encoder), spec.heads, preprocessing)


def _deeplabv2(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return DeepLabV2(spec.classes, spec.heads, spec.aspp_branches, preprocessing)


def _fcn8s(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return FCN8s(spec.classes, preprocessing)


def _resnet38(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return ResNet38(spec.classes, preprocessing)


def _mit(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return MIT_NETWORKS[spec.architecture](spec.classes, spec.encoder, preprocessing)


def _vit(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return ViTModel(spec.classes, spec.encoder, preprocessing, upernet=spec.architecture == "vit-upernet")


def _lenet(spec: ModelSpec, preprocessing: Preprocessing) -> SegmentationModel:
    return LeNet(spec.classes, preprocessing)


ARCHITECTURES: dict[str, Callable[[ModelSpec, Preprocessing], SegmentationModel]] = {
    "small": _small,
    "deeplabv2-resnet101": _deeplabv2,
    "fcn8s-vgg16": _fcn8s,
    "resnet38": _resnet38,
    "lenet": _lenet,
    **dict.fromkeys(MIT_NETWORKS, _mit),
    **dict.fromkeys(VIT_NETWORKS, _vit),
}


_BY_MEAN_AND_DEVIATION = {
    (known.mean, known.std): name for name, known in PREPROCESSINGS.items() if name.endswith("-rgb")
}


def default_preprocessing(architecture: str, encoder: str) -> str:
    """Return the name of the preprocessing that the published weights of a network expect."""
    if architecture in ("small", *VIT_NETWORKS) and encoder.startswith(TIMM):
        return timm_preprocessing(encoder, _BY_MEAN_AND_DEVIATION) or "imagenet-rgb"
    if architecture == "small":
        return "lite-rgb" if encoder in LITE_BLOCKS else "imagenet-rgb"
    if architecture == "lenet":
        return "lite-rgb"  # it has no published weights: any that centres the bytes
    return "imagenet-rgb" if architecture in ("resnet38", *MIT_NETWORKS) else "caffe-bgr"


def construct_model(spec: ModelSpec) -> SegmentationModel:
    """Return the network with shapes but without memory (meta device); its weights must be filled in or assigned.

    Torch's own initialisation, which draws from the global generator, has nothing to write to there.

    Raises:
        ValueError: `spec` has unknown values; the message lists all of them.
    """
    problems = spec.problems()
    if problems:
        raise ValueError("; ".join(problems))
    with torch.device("meta"):
        model = ARCHITECTURES[spec.architecture](spec, PREPROCESSINGS[spec.preprocessing])
    model.spec = asdict(spec)
    return model


def build_model(
    architecture: str,
    classes: int,
    *,
    encoder: str = DEFAULT_ENCODER,
    pretrained: bool = False,
    heads: int = 1,
    aspp_branches: int = 4,
    preprocessing: str | None = None,
    generator: torch.Generator | None = None,
) -> SegmentationModel:
    """Return a freshly initialised network on the CPU, in training mode.

    Args:
        architecture: key of `ARCHITECTURES`.
        classes: number of classes C.
        encoder: key of `encoders.ENCODERS`, or ``timm/NAME``; read by "small" only.
        pretrained: ImageNet weights for the encoder, of a package ("efficientnet-lite0" and its like) or timm's.
        heads: 2 adds auxiliary logits ("small", "deeplabv2-resnet101").
        aspp_branches: 4, or 2 for weights of the AdaptSegNet and LSE code; read by "deeplabv2-resnet101" only.
        preprocessing: key of `base.PREPROCESSINGS`; None takes what the published weights of the network expect.
        generator: source of all random weights; None is a generator seeded with 0. The global one is never touched.

    Raises:
        ValueError: unknown values, all of them at once; or `pretrained` for a network without published weights.
        ModuleNotFoundError: `pretrained`, and the package with the weights is not installed.
    """
    name = default_preprocessing(architecture, encoder) if preprocessing is None else preprocessing
    model = construct_model(ModelSpec(architecture, classes, encoder, heads, aspp_branches, name))
    # As `to_empty`, but for what has its values already (an encoder's tables)
    model._apply(lambda value: torch.empty_like(value, device="cpu") if value.is_meta else value)  # type: ignore[no-untyped-call]
    model.initialise(torch.Generator().manual_seed(DEFAULT_SEED) if generator is None else generator)
    if pretrained:
        _load_published(model, encoder)
    return model


def _load_published(model: SegmentationModel, name: str) -> None:
    encoder = getattr(model, "encoder", None)
    if isinstance(encoder, TimmEncoder):
        encoder.load_published()
    elif isinstance(encoder, Encoder) and name in LITE_BLOCKS:
        load_package(encoder, name)
    else:
        raise ValueError(
            f"no pretrained weights for architecture '{model.spec['architecture']}' with encoder '{name}'; 'small' has "
            f"some with encoder {', '.join(LITE_BLOCKS)} or {TIMM}NAME: set pretrained to false or load a checkpoint"
        )


def set_normalisation(model: SegmentationModel, mode: str) -> None:
    """Set what of the normalisation layers trains, from now on and through later calls of `model.train()`.

    Args:
        model: changed in place.
        mode: "frozen": stored statistics, gamma and beta fixed (CRST); "affine_frozen": gamma and beta fixed, batch
            statistics used and running ones moving (the code of AdaptSegNet, ADVENT, BDL and LSE, which calls it
            frozen); "train": all of it trains. Layers without running statistics (GroupNorm) train in every mode.

    Raises:
        ValueError: `mode` is not one of these.
    """
    if mode not in NORMALISATIONS:
        raise ValueError(f"normalisation is '{mode}'; choose one of {', '.join(NORMALISATIONS)}")
    model.normalisation = mode
    for layer in model.normalisation_layers():
        layer.requires_grad_(mode == "train")
    model.train(model.training)
