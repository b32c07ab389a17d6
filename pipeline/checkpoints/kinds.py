"""The kinds of checkpoints that people hold, each as a list of slots: the authors' name of a tensor, ours, its shape.

A kind is recognised where names and shapes are those of its slots; what differs between files of one kind (the number
of classes) is read from the shapes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from pipeline.checkpoints import naming
from pipeline.checkpoints.naming import COUNTER, Rename
from pipeline.models.build import ModelSpec, construct_model
from pipeline.models.discriminators import discriminator_shapes
from pipeline.models.encoders import LITE_BLOCKS
from pipeline.models.mit import SIZES

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
DEFAULT_CLASSES = 19
FIXED_PARTS = frozenset({"upscore2", "upscore8", "upscore_pool4"})
"""FCN-8s's deconvolutions: as many channels as classes, never trained, bilinear in a fresh network."""


class Slot(NamedTuple):
    """One tensor of a file."""

    theirs: str
    ours: str
    shape: Shape
    """in the file; ours has as many numbers, maybe with other axes (a fully connected layer as a convolution)"""


@dataclass(frozen=True)
class Kind:
    """One kind of checkpoint.

    Attributes:
        name: for `--as`, and for the model file's memory of where it came from.
        title: what it is and whose, for people.
        spec: of the network that takes the weights, but for the number of classes; None for a discriminator.
        slots: of a file with so many classes.
        classes_of: from the file's shapes to its number of classes, None where they do not say; None of an encoder.
        ignored: names that may be there and that no network here reads (ImageNet's classifier).
        note: what a user should know who takes these weights.
        first: the first name of the file, so that files without it need not build the network to be told apart.
        sure: whether the preprocessing is a matter of the kind; else the first layer's numbers are asked.
        may_be: from the file's shapes to whether a closer look is worth its time: deep networks take long to list.
    """

    name: str
    title: str
    spec: ModelSpec | None
    slots: Callable[[int], list[Slot]]
    classes_of: Callable[[Shapes], int | None] | None
    ignored: str = "(?!)"
    note: str = ""
    sure: bool = True
    first: str = ""
    may_be: Callable[[Shapes], bool] = lambda _: True

    @property
    def encoder_only(self) -> bool:
        """Return whether the head is not in the file."""
        return self.classes_of is None

    def classes(self, shapes: Shapes) -> int:
        """Return the number of classes of a file of this kind, or the usual one if the file does not say."""
        count = None if self.classes_of is None else self.classes_of(shapes)
        return DEFAULT_CLASSES if count is None else max(2, count)

    def is_ignored(self, name: str) -> bool:
        """Return whether a name of the file is known and not read."""
        return re.fullmatch(self.ignored, name) is not None


@lru_cache(maxsize=256)
def own_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Return our names and shapes of a network's state."""
    return {key: tuple(value.shape) for key, value in construct_model(spec).state_dict().items()}


@lru_cache(maxsize=16)
def head_parts(architecture: str, encoder: str, heads: int) -> frozenset[str]:
    """Return the first parts of the names of a network's head, fixed deconvolutions included."""
    model = construct_model(_spec(architecture, encoder=encoder, heads=heads, reads="imagenet-rgb"))
    parts = {key.split(".")[0] for key in model.state_dict()}
    return (model.HEAD_PARTS | FIXED_PARTS) & parts


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return names and shapes."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def without_counters(names: Iterable[str]) -> list[str]:
    """Return the names but for torch's counters."""
    return [name for name in names if not name.endswith(COUNTER)]


def _spec(architecture: str, *, encoder: str = "mobilenet-v3-small", heads: int = 1, reads: str) -> ModelSpec:
    return ModelSpec(architecture, DEFAULT_CLASSES, encoder, heads, aspp_branches=4, preprocessing=reads)


def _side(name: str, axis: int) -> Callable[[Shapes], int | None]:
    """Return a function that reads one side of one tensor of the file."""

    def side(shapes: Shapes) -> int | None:
        shape = shapes.get(name, ())
        return shape[axis] if len(shape) > axis else None

    return side


def _whole(spec: ModelSpec, rename: Callable[[int], Rename]) -> Callable[[int], list[Slot]]:
    """Slots of a whole network; ``rename`` takes the number of classes."""
    return lambda classes: _slots(replace(spec, classes=classes), rename(classes), frozenset())


def _encoder(
    spec: ModelSpec, rename: Rename, other_shapes: Mapping[str, Shape] | None = None
) -> Callable[[int], list[Slot]]:
    """Slots of a network without its head; ``other_shapes`` are the file's where they differ from ours, by our name."""

    def slots(_: int) -> list[Slot]:
        encoder = _slots(spec, rename, head_parts(spec.architecture, spec.encoder, spec.heads))
        return [slot._replace(shape=(other_shapes or {}).get(slot.ours, slot.shape)) for slot in encoder]

    return slots


def _slots(spec: ModelSpec, rename: Rename, without: frozenset[str]) -> list[Slot]:
    return [
        Slot(theirs, ours, shape)
        for ours, shape in own_shapes(spec).items()
        if ours.split(".")[0] not in without and (theirs := rename(ours)) is not None
    ]


def _has_depth(size: str) -> Callable[[Shapes], bool]:
    """Return a function that looks for the last block of a Mix Transformer's deepest stage."""
    depth, channels = SIZES[size].depths[2], SIZES[size].channels[2]
    last, another = (f"block3.{block}.norm1.weight" for block in (depth - 1, depth))
    return lambda shapes: any(
        name.endswith(last) and shape == (channels,) and name.removesuffix(last) + another not in shapes
        for name, shape in shapes.items()
    )


def _has_tokens(channels: int, blocks: int, *, registers: bool) -> Callable[[Shapes], bool]:
    """Return a function that looks for DINOv2's last block, of that width, and for the registers."""
    last = f"blocks.{blocks - 1}.ls2.gamma"
    return lambda shapes: any(
        name.endswith(last) and shape == (channels,) and (f"{name.removesuffix(last)}reg_token" in shapes) == registers
        for name, shape in shapes.items()
    )


def _resnet38_classes(shapes: Shapes) -> int | None:
    """The authors' last layer is called after its number of classes."""
    return next((shape[0] for name, shape in shapes.items() if re.fullmatch(r"arg:linear\d+_weight", name)), None)


def _discriminator(rename: Callable[[str], str]) -> Callable[[int], list[Slot]]:
    return lambda channels: [Slot(rename(ours), ours, shape) for ours, shape in discriminator_shapes(channels).items()]


# ------------------------------------------------------------------------------------------------------------- the list

_TWO_HEADS = _spec("deeplabv2-resnet101", heads=2, reads="caffe-bgr")
_ONE_HEAD = _spec("deeplabv2-resnet101", reads="caffe-bgr")
_FCN = _spec("fcn8s-vgg16", reads="caffe-bgr")
_VGG = _spec("fcn8s-vgg16", reads="imagenet-rgb")
_WIDE = _spec("resnet38", reads="imagenet-rgb")
_LITE = {encoder: _spec("small", encoder=encoder, reads="lite-rgb") for encoder in LITE_BLOCKS}
_MOBILE = {size: _spec("small", encoder=f"mobilenet-v3-{size}", reads="imagenet-rgb") for size in ("small", "large")}
_MIT = {
    (architecture, size): _spec(architecture, encoder=size, reads="imagenet-rgb")
    for architecture in ("segformer", "daformer", "hrda")
    for size in SIZES
}

_WHOLE_NETWORKS = (
    Kind(
        "deeplabv2-multi",
        "DeepLab-v2 ResNet-101 with two heads (AdvEnt, IntraDA, AdaptSegNet multi-level)",
        _TWO_HEADS,
        _whole(_TWO_HEADS, lambda _: str),
        _side("layer6.conv2d_list.0.bias", 0),
        sure=False,
    ),
    Kind(
        "deeplabv2-single",
        "DeepLab-v2 ResNet-101 with one head (BDL, LSE, CRST, AdaptSegNet single-level)",
        _ONE_HEAD,
        _whole(_ONE_HEAD, lambda _: str),
        _side("layer5.conv2d_list.0.bias", 0),
        sure=False,
    ),
    Kind("fcn8s", "FCN-8s on VGG-16 (LSE, BDL)", _FCN, _whole(_FCN, lambda _: str), _side("score_fr.bias", 0)),
    Kind(
        "resnet38-cbst",
        "ResNet-38 (A1) for segmentation, MXNet (CBST; Wu et al.)",
        _WIDE,
        _whole(_WIDE, naming.resnet38),
        _resnet38_classes,
    ),
    *(
        Kind(
            f"{architecture}-{size}",
            f"{title} on MiT-{size[4:].upper()}",
            _MIT[architecture, size],
            _whole(_MIT[architecture, size], lambda _: str),
            _side(f"decode_head.{classifier}.bias", 0),
            may_be=_has_depth(size),
        )
        for architecture, title, classifier in (
            ("segformer", "SegFormer (as in the repositories of DAFormer, HRDA and MIC)", "linear_pred"),
            ("daformer", "DAFormer", "conv_seg"),
            ("hrda", "HRDA (MIC)", "head.conv_seg"),
        )
        for size in SIZES
    ),
)

_IMAGENET_ENCODERS = (
    Kind(
        "deeplabv2-imagenet-caffe",
        "the Caffe ResNet-101 that DeepLab-v2 starts from (DeepLab_resnet_pretrained_*.pth)",
        _ONE_HEAD,
        _encoder(_ONE_HEAD, lambda ours: f"Scale.{ours}"),
        None,
        ignored=r"Scale\.(layer5|fc)\..*",
    ),
    Kind(
        "resnet101-imagenet",
        "ResNet-101 of torchvision or timm",
        _ONE_HEAD,
        _encoder(_ONE_HEAD, str),
        None,
        ignored=r"fc\..*",
        note="torchvision strides in the 3x3 convolution of layer2.0, DeepLab-v2 in the 1x1 before it: "
        "a start for training, not the same features",
        sure=False,
    ),
    Kind(
        "resnet38-imagenet",
        "ResNet-38 (A1) for ImageNet, MXNet (ilsvrc-cls_rna-a1)",
        _WIDE,
        _encoder(_WIDE, naming.resnet38(0)),
        None,
        ignored=r"arg:linear1000_(weight|bias)",
    ),
    Kind(
        "vgg16-imagenet-torchvision",
        "VGG-16 of torchvision",
        _VGG,
        _encoder(
            _VGG,
            naming.vgg16("classifier.0", "classifier.3"),
            {"fc6.weight": (4096, 512 * 7 * 7), "fc7.weight": (4096, 4096)},
        ),
        None,
        ignored=r"classifier\.6\..*",
    ),
    Kind(
        "vgg16-imagenet-timm",
        "VGG-16 of timm",
        _VGG,
        _encoder(_VGG, naming.vgg16("pre_logits.fc1", "pre_logits.fc2")),
        None,
        ignored=r"head\.fc\..*",
    ),
    *(
        Kind(
            f"mobilenet-v3-{size}-imagenet",
            f"MobileNetV3-{size} of torchvision",
            _MOBILE[size],
            _encoder(_MOBILE[size], naming.mobilenet_v3),
            None,
            ignored=rf"(features\.{last}|classifier)\..*",
            first="features.0.0.weight",
        )
        for size, last in (("small", 12), ("large", 16))
    ),
    *(
        Kind(
            f"{encoder}-imagenet",
            f"{encoder.replace('efficientnet-l', 'EfficientNet-L')} of efficientnet-lite-pytorch",
            lite,
            _encoder(lite, naming.efficientnet_lite(encoder)),
            None,
            ignored=r"(_conv_head|_bn1|_fc)\..*",
            first="_conv_stem.weight",
        )
        for encoder, lite in _LITE.items()
    ),
    *(
        Kind(
            f"{encoder}-imagenet-timm",
            f"{encoder.replace('efficientnet-l', 'EfficientNet-L')} of timm",
            lite,
            _encoder(lite, naming.timm),
            None,
            ignored=r"(conv_head|bn2|classifier)\..*",
            note="computed as timm's tf_efficientnet_lite (TensorFlow's padding and epsilon); timm's efficientnet_lite "
            "has the same names and pads otherwise",
            first="conv_stem.weight",
        )
        for encoder, lite in _LITE.items()
    ),
)

_MIT_ENCODERS = tuple(
    Kind(
        f"{size}-imagenet",
        f"MiT-{size[4:].upper()} for ImageNet (mit_{size[4:]}.pth of SegFormer)",
        _MIT["daformer", size],
        _encoder(_MIT["daformer", size], lambda ours: ours.removeprefix("backbone.")),
        None,
        ignored=r"head\..*",
        note="segformer and hrda begin with it, too",
        may_be=_has_depth(size),
    )
    for size in SIZES
)

_DINOV2 = tuple(
    Kind(
        f"dinov2-{size}14{registers}",
        f"DINOv2 ViT-{size[3].upper()}/14{' with registers, timm' if registers else ', of Meta or timm'}",
        spec := _spec("vit-linear", encoder=f"timm/{name}_patch14{registers}_dinov2", reads="imagenet-rgb"),
        _encoder(spec, lambda ours: ours.removeprefix("backbone.layers.")),
        None,
        ignored=r"mask_token",
        note="also an encoder of vit-upernet",
        may_be=_has_tokens(channels, blocks, registers=bool(registers)),
    )
    for size, name, channels, blocks in (
        ("vits", "vit_small", 384, 12), ("vitb", "vit_base", 768, 12), ("vitl", "vit_large", 1024, 24),
    )
    for registers in ("", "_reg4")
)  # fmt: skip

_DISCRIMINATORS = tuple(
    Kind(name, title, None, _discriminator(rename), _side(rename("0.weight"), 1))
    for name, title, rename in (
        ("discriminator", "a discriminator (ADVENT, IntraDA: layers 0, 2, 4, 6, 8)", str),
        ("discriminator-named", "a discriminator (AdaptSegNet, BDL: layers by name)", naming.named_discriminator),
    )
)

KINDS = {
    kind.name: kind for kind in (*_WHOLE_NETWORKS, *_IMAGENET_ENCODERS, *_MIT_ENCODERS, *_DINOV2, *_DISCRIMINATORS)
}


def kind_of_model(spec: ModelSpec) -> Kind | None:
    """Return the authors' kind in which a whole network of ours is written; None if there are no authors' names."""
    named = {_layers(kind.spec): kind for kind in _WHOLE_NETWORKS if kind.spec is not None}
    return named.get(_layers(spec))


def _layers(spec: ModelSpec) -> tuple[str, str | None, int]:
    return spec.architecture, spec.encoder if spec.has_encoder else None, spec.heads
