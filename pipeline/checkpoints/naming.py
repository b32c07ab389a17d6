"""Authors' names of tensors, from ours.

Every function takes one of our names and returns the authors', or None for what their files lack.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.models.efficientnet_lite import STAGES

COUNTER = "num_batches_tracked"
"""Torch's counter in normalisations: files of before PyTorch 0.4.1 lack it, and nothing here reads it."""

Rename = Callable[[str], str | None]

# Positions of the 13 convolutions in torchvision's and timm's `features`.
_VGG_NAMES = [f"conv{level}_{index}" for level, count in enumerate((2, 2, 3, 3, 3), 1) for index in range(1, count + 1)]
_VGG_PLACES = dict(zip(_VGG_NAMES, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))
_STATISTICS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
_LITE0_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
_LITE0_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def vgg16(fc6: str, fc7: str) -> Rename:
    """Return the renaming of VGG-16 to torchvision's or timm's; the two differ in the fully connected layers."""

    def rename(ours: str) -> str:
        layer, _, what = ours.partition(".")
        names = {"fc6": fc6, "fc7": fc7}
        return f"{names[layer]}.{what}" if layer in names else f"features.{_VGG_PLACES[layer]}.{what}"

    return rename


def resnet38(classes: int) -> Rename:
    """Return the renaming to MXNet's: ``res2b1.bn_branch2a.weight`` is ``arg:bn2b1_branch2a_gamma``."""

    def rename(ours: str) -> str | None:
        *layers, what = ours.split(".")
        if what == COUNTER:
            return None
        group = "aux" if what.startswith("running") else "arg"
        if layers == ["bn7"]:
            return f"{group}:bn7_{_STATISTICS[what]}"
        if len(layers) == 1:
            return f"arg:{f'linear{classes}' if layers == ['linear'] else layers[0]}_{what}"
        kind, branch = layers[1].split("_")
        level = layers[0].removeprefix("res")
        return f"{group}:bn{level}_{branch}_{_STATISTICS[what]}" if kind == "bn" else f"arg:res{level}_{branch}_{what}"

    return rename


def mobilenet_v3(ours: str) -> str:
    """Return torchvision's name."""
    return ours.replace("encoder.layers.", "features.", 1)


def efficientnet_lite0(ours: str) -> str:
    """Return the name of the package efficientnet-lite-pytorch, after which our attributes are named."""
    return ours.removeprefix("encoder.")


def efficientnet_lite0_timm(ours: str) -> str:
    """Return timm's name: it counts blocks by stage, and names the layers of a block by their order."""
    _, first, *rest = ours.split(".")
    if first in _LITE0_STEM:
        return ".".join([_LITE0_STEM[first], *rest])
    stage, number = _stage_of(int(rest[0]))
    names = _LITE0_FIRST if stage == 0 else _LITE0_BLOCK  # the first block does not expand
    return f"blocks.{stage}.{number}.{names[rest[1]]}.{rest[2]}"


def _stage_of(block: int) -> tuple[int, int]:
    blocks = [(stage, number) for stage, described in enumerate(STAGES) for number in range(described.blocks)]
    return blocks[block]


def named_discriminator(ours: str) -> str:
    """Return the name in AdaptSegNet and BDL, which give the layers names."""
    layer, what = ours.split(".")
    return f"{('conv1', 'conv2', 'conv3', 'conv4', 'classifier')[int(layer) // 2]}.{what}"
