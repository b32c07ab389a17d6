"""Authors' names of tensors, from ours.

Every function takes one of our names and returns the authors', or None for what their files lack.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.models.encoders import LITE_BLOCKS, package_name

COUNTER = "num_batches_tracked"
"""Torch's counter in normalisations: files of before PyTorch 0.4.1 lack it, and nothing here reads it."""

Rename = Callable[[str], str | None]

# Positions of the 13 convolutions in torchvision's and timm's `features`.
_VGG_NAMES = [f"conv{level}_{index}" for level, count in enumerate((2, 2, 3, 3, 3), 1) for index in range(1, count + 1)]
_VGG_PLACES = dict(zip(_VGG_NAMES, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))
_STATISTICS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}


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


def efficientnet_lite(encoder: str) -> Rename:
    """Return the renaming of an EfficientNet-Lite to the package efficientnet-lite-pytorch's."""
    return lambda ours: package_name(timm(ours), LITE_BLOCKS[encoder])


def timm(ours: str) -> str:
    """Return timm's name, after which the layers of its encoders are named."""
    return ours.removeprefix("encoder.layers.")


def named_discriminator(ours: str) -> str:
    """Return the name in AdaptSegNet and BDL, which give the layers names."""
    layer, what = ours.split(".")
    return f"{('conv1', 'conv2', 'conv3', 'conv4', 'classifier')[int(layer) // 2]}.{what}"
