"""The interface of every segmentation network: its input, its output, its trainable parameters."""

# N batch, C class, H/W pixels of the image, h/w pixels at the network's own resolution

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

# The DeepLab-v2 authors' value; small enough that training starts from near-uniform probabilities.
CLASSIFIER_INIT_STD = 0.01
LINEAR_INIT_STD = 0.02


@dataclass(frozen=True)
class Preprocessing:
    """Turns RGB bytes into the input that a network was trained on: (x / divisor - mean) / std, channel by channel.

    The families of the field are not interchangeable (a Caffe network fed ImageNet-normalised RGB gives noise), so
    the name is saved with the model.

    Attributes:
        name: key in `PREPROCESSINGS`.
        reverse_channels: True for networks that read BGR; `mean` and `std` are then in BGR order too.
        divisor: applied to the bytes before the mean is taken off.
        mean, std: per channel, in units of byte / divisor.
    """

    name: str
    reverse_channels: bool
    divisor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, image_N3HW: Tensor) -> Tensor:
        """Return the float32 network input (N, 3, H, W) of RGB uint8 images (N, 3, H, W), on their device.

        Raises:
            ValueError: the images are not uint8, or not (N, 3, H, W).
        """
        if image_N3HW.dtype != torch.uint8 or image_N3HW.ndim != 4 or image_N3HW.shape[1] != 3:
            raise ValueError(
                f"preprocessing '{self.name}' reads RGB uint8 images of shape (N, 3, H, W); "
                f"got {image_N3HW.dtype} of shape {tuple(image_N3HW.shape)}"
            )
        return self.of_floats(image_N3HW.to(torch.float32))

    def of_floats(self, image_N3HW: Tensor) -> Tensor:
        """Return the network input of float32 RGB images in [0,255]; gradients pass through."""
        input_N3HW = image_N3HW.flip(1) if self.reverse_channels else image_N3HW
        if self.divisor != 1.0:
            input_N3HW = input_N3HW / self.divisor
        return (input_N3HW - _per_channel(self.mean, input_N3HW)) / _per_channel(self.std, input_N3HW)


def _per_channel(values: tuple[float, float, float], like_N3HW: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like_N3HW.dtype, device=like_N3HW.device).view(1, 3, 1, 1)


PREPROCESSINGS: dict[str, Preprocessing] = {
    # CBST, CRST, DAFormer and torchvision's encoders.
    "imagenet-rgb": Preprocessing("imagenet-rgb", False, 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # AdaptSegNet, ADVENT, IntraDA, BDL, LSE: the mean of the Caffe VGG, in BGR order, no scaling.
    "caffe-bgr": Preprocessing("caffe-bgr", True, 1.0, (104.00698793, 116.66876762, 122.67891434), (1.0, 1.0, 1.0)),
    # EfficientNet-Lite: bytes centred for 8-bit accelerators.
    "lite-rgb": Preprocessing("lite-rgb", False, 1.0, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    # Some of timm's networks: Inception's and many of Google's; bytes as shares; CLIP's.
    "inception-rgb": Preprocessing("inception-rgb", False, 255.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit-rgb": Preprocessing("unit-rgb", False, 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "clip-rgb": Preprocessing(
        "clip-rgb", False, 255.0, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    ),
}


@dataclass(frozen=True)
class Upsample:
    """The fixed interpolation between a network's own resolution and the image's.

    It holds no weights, so full-size logits follow from stored low-resolution ones bit for bit.

    Attributes:
        mode: "bilinear" or "bicubic".
        align_corners: as in `torch.nn.functional.interpolate`; True in the DeepLab-v2 family (ADVENT, BDL, IntraDA).
    """

    mode: str = "bilinear"
    align_corners: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("bilinear", "bicubic"):
            raise ValueError(f"upsample mode is '{self.mode}'; choose one of bilinear, bicubic")

    def __call__(self, logits_NChw: Tensor, size: tuple[int, int]) -> Tensor:
        """Return logits (N, C, H, W) for `size` = (H, W)."""
        return functional.interpolate(logits_NChw, size=size, mode=self.mode, align_corners=self.align_corners)


# "frozen": stored statistics, gamma and beta not trained (CRST trains in eval mode).
# "affine_frozen": what the code of AdaptSegNet, ADVENT, BDL and LSE does under the name "frozen BN": gamma and beta
#     fixed, but batch statistics are used and the running ones keep moving.
# "train": everything trains.
NORMALISATIONS = ("frozen", "affine_frozen", "train")


@runtime_checkable
class DrawsItself(Protocol):
    """A part of a network with rules of its own for its initial weights."""

    def draw(self, generator: torch.Generator) -> None:
        """Draw every weight from ``generator`` alone."""


class SegmentationModel(nn.Module, ABC):
    """A network from (N, 3, H, W) inputs to class logits at its own resolution.

    Attributes:
        classes: number of classes C.
        preprocessing: what turns RGB bytes into its input.
        upsample: from its logits to image size; None if `forward` returns logits at image size.
        spec: plain values from which `build.construct_model` builds the same architecture; `state.py` stores them.
        normalisation: one of `NORMALISATIONS`, see `build.set_normalisation`.
    """

    # First parts of the names of the parameters that belong to the head; all others are the encoder's.
    HEAD_PARTS: ClassVar[frozenset[str]]

    def __init__(self, classes: int, preprocessing: Preprocessing, upsample: Upsample | None) -> None:
        super().__init__()
        self.classes = classes
        self.preprocessing = preprocessing
        self.upsample = upsample
        self.spec: dict[str, Any] = {}
        self.normalisation = "train"

    def forward(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return (main logits (N, C, h, w), auxiliary logits or None), at the network's own resolution."""
        return self.forward_with_front(input_N3HW)[:2]

    @abstractmethod
    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Return what `forward` returns, and features (N, D, h, w): of two front blocks, and of the encoder's last one.

        The features are those from which the logits were computed, the finer ones first. Alignment of style (CADA)
        reads the first two, feature distance (DAFormer) the last; with two features, the second is the last.
        """

    @abstractmethod
    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores; they begin with N(0, 0.01) instead of He's scale."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters, each in exactly one of encoder, head, encoder_bias, head_bias.

        Biases (additive parameters of normalisations included) have their own groups: FCN8s trains them at twice the
        rate (BDL, LSE). Frozen parameters (bilinear deconvolutions, fixed gamma and beta, unused ASPP branches) are in
        none, so call it after `set_normalisation`. A group may be empty. Some of a group's parameters may be named in
        `norm_parameters`.
        """
        groups: dict[str, list[nn.Parameter]] = {"encoder": [], "head": [], "encoder_bias": [], "head_bias": []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                owner = "head" if name.split(".")[0] in self.HEAD_PARTS else "encoder"
                groups[owner + ("_bias" if name.endswith(".bias") else "")].append(parameter)
        return groups

    def norm_parameters(self) -> frozenset[int]:
        """Return the `id` of every parameter with "norm" in its name: those that DAFormer's optimiser does not decay.

        It goes by name, as the authors' does: batch norms that are called ``bn`` are not among them.
        """
        return frozenset(id(parameter) for name, parameter in self.named_parameters() if "norm" in name)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from `generator` alone: He (2015) for convolutions, N(0, 0.01) for classifiers.

        Fan-in is used throughout: the fan-out of a depthwise convolution as torch counts it is too large by the number
        of groups, which silences the layer when normalisation is frozen.

        A part that draws itself (`DrawsItself`) is left to it. The transformers' layers: N(0, 0.02), cut at two
        deviations, and zeros for linear ones (Dosovitskiy et al., ICLR 2021).

        Raises:
            TypeError: a layer holds weights that no rule here covers (it would start from uninitialised memory).
        """
        drawn: tuple[str, ...] = ()
        for name, module in self.named_modules():
            if name.startswith(drawn):
                continue
            if isinstance(module, DrawsItself):
                module.draw(generator)
                drawn += (f"{name}.",)
            elif isinstance(module, nn.Linear):
                cut = 2 * LINEAR_INIT_STD
                nn.init.trunc_normal_(module.weight, std=LINEAR_INIT_STD, a=-cut, b=cut, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, _BatchNorm | nn.GroupNorm | nn.LayerNorm):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None:
                raise TypeError(f"no initialisation rule for layer '{name}' of type {type(module).__name__}")
        for classifier in self.classifiers():
            nn.init.normal_(classifier.weight, 0.0, CLASSIFIER_INIT_STD, generator=generator)

    def train(self, mode: bool = True) -> Self:
        """Set the mode as `nn.Module.train`, but keep normalisation layers in evaluation mode if they are "frozen"."""
        super().train(mode)
        if self.normalisation == "frozen":
            for layer in self.normalisation_layers():
                layer.eval()
        return self

    def normalisation_layers(self) -> list[_BatchNorm]:
        """Return the layers that hold running statistics (GroupNorm holds none and trains in every mode)."""
        return [module for module in self.modules() if isinstance(module, _BatchNorm)]


def full_size(model: SegmentationModel, logits_NChw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the logits of `model` at image size: up-sampled if it has an `upsample`, else as they are.

    Logits larger than `size` of a model without `upsample` are cropped to the top left corner, where padding on the
    right and at the bottom leaves the image.

    Raises:
        ValueError: the model has no `upsample` and its logits are smaller than `size` = (H, W).
    """
    if model.upsample is not None:
        return model.upsample(logits_NChw, size)
    height, width = logits_NChw.shape[-2:]
    if height < size[0] or width < size[1]:
        raise ValueError(
            f"logits are {height}x{width} and the model does not up-sample them, but {size[0]}x{size[1]} is required"
        )
    return logits_NChw[..., : size[0], : size[1]]


def at_size(model: SegmentationModel, logits_NChw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return logits (N,C,H,W) at any size; those of a network without `upsample` are interpolated bilinearly."""
    if model.upsample is None and tuple(logits_NChw.shape[-2:]) != size:
        return functional.interpolate(logits_NChw, size, mode="bilinear", align_corners=False)
    return full_size(model, logits_NChw, size)
