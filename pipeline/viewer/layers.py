"""The layers of an image as pictures: input, prediction, entropy, selection, labels, and differences."""

# H/W pixels

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.colours import entropy_picture
from pipeline.common.errors import ReadableError
from pipeline.common.labels import IGNORE
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.source import Source, classes_differ

Colour = tuple[int, int, int]

DROPPED: Colour = (14, 17, 22)
"""Dropped pixels are dark, also where only the opaque colour counts."""
WRONG: Colour = (213, 94, 0)
BETTER: Colour = (86, 180, 233)
# Vermilion and blue of Okabe and Ito, with near-white between: distinct with every kind of colour vision.
_DIFFERENCE = np.array([(0, 90, 160), (120, 180, 220), (245, 245, 245), (240, 160, 90), (190, 70, 0)], np.float64)


class Layer(NamedTuple):
    """Indices into a table of colours with their opacity; without a table, colours (H,W,3)."""

    values: np.ndarray
    colours: list[Colour] | None = None
    opacity: bytes = b""

    def image(self) -> Image.Image:
        """Return a picture without transparency of its own: save a PNG of it with ``transparency=opacity``."""
        height, width = self.values.shape[:2]
        if self.colours is None:
            return Image.fromarray(np.ascontiguousarray(self.values))
        picture = Image.frombytes("P", (width, height), np.ascontiguousarray(self.values, np.uint8).tobytes())
        picture.putpalette([channel for colour in self.colours for channel in colour])
        return picture

    def over(self, below_HW3: np.ndarray, opacity: float = 1.0) -> np.ndarray:
        """Return a picture (H,W,3) uint8 with the layer over it, its own opacity times ``opacity``."""
        if self.colours is None:
            colour_HW3, own_HW1 = self.values, np.ones((*self.values.shape[:2], 1))
        else:
            table = np.zeros((256, 3), np.uint8)
            table[: len(self.colours)] = self.colours
            alpha = np.full(256, 255, np.uint8)
            alpha[: len(self.opacity)] = list(self.opacity)
            colour_HW3, own_HW1 = table[self.values], alpha[self.values][..., None] / 255
        share_HW1 = own_HW1 * opacity
        mixed_HW3: np.ndarray = (below_HW3 * (1 - share_HW1) + colour_HW3 * share_HW1).round().astype(np.uint8)
        return mixed_HW3


class LayerRequest(NamedTuple):
    """The run, image and class of a layer."""

    run: Source
    image_id: str
    inputs: Inputs
    against: Source | None = None
    """The run that differences are taken to."""
    only: int | None = None
    """Show this class alone."""


def _input(request: LayerRequest) -> Layer:
    return Layer(request.inputs.image(request.image_id, request.run.size, request.run.split))


def _prediction(request: LayerRequest) -> Layer:
    return _classes(request, request.run.label(request.image_id))


def _pseudo(request: LayerRequest) -> Layer:
    return _classes(request, request.run.pseudo_label(request.image_id))


def _label(request: LayerRequest) -> Layer:
    return _classes(request, _truth(request))


def _classes(request: LayerRequest, label_HW: np.ndarray) -> Layer:
    """Return class colours; ignored pixels, and all classes but the chosen one, are transparent."""
    palette = request.run.classes.palette
    opacity = [255 if request.only in (None, index) else 0 for index in range(len(palette))]
    return Layer(
        np.where(label_HW == IGNORE, len(palette), label_HW).astype(np.uint8), [*palette, DROPPED], bytes([*opacity, 0])
    )


def _entropy(request: LayerRequest) -> Layer:
    return Layer(request.run.entropy_byte(request.image_id), entropy_colours())


def entropy_colours() -> list[Colour]:
    """Return 256 colours from certain to undecided."""
    return [tuple(map(int, colour)) for colour in entropy_picture(np.arange(256)[None] / 255)[0]]  # type: ignore[misc]


def _mask(request: LayerRequest) -> Layer:
    dropped_HW = request.run.pseudo_label(request.image_id) == IGNORE
    return Layer(dropped_HW.astype(np.uint8), [(255, 255, 255), DROPPED], bytes([0, 225]))


def _errors(request: LayerRequest) -> Layer:
    truth_HW = _truth(request)
    wrong_HW = (request.run.label(request.image_id) != truth_HW).astype(np.uint8)
    wrong_HW[truth_HW == IGNORE] = 2
    return Layer(wrong_HW, [(255, 255, 255), WRONG, DROPPED], bytes([0, 235, 150]))


def _truth(request: LayerRequest) -> np.ndarray:
    truth_HW = request.run.truth(request.image_id, request.inputs)
    if truth_HW is None:
        raise ReadableError(f"{request.image_id}: has no label. {request.run.no_truth(request.inputs)}".rstrip())
    return truth_HW


def _change(request: LayerRequest) -> Layer:
    """Return this run's classes where the other's differ; the rest is darkened."""
    label_HW, other_HW = request.run.label(request.image_id), _other(request).label(request.image_id)
    palette = request.run.classes.palette
    changed_HW = _same_size(label_HW, other_HW) != label_HW
    opacity = [255 if request.only in (None, index) else 60 for index in range(len(palette))]
    return Layer(
        np.where(changed_HW, label_HW, len(palette)).astype(np.uint8), [*palette, DROPPED], bytes([*opacity, 190])
    )


def _entropy_change(request: LayerRequest) -> Layer:
    """Return entropy minus the other run's: 0 is a fall by ln C, 127.5 no change, 255 a rise by ln C."""
    here_HW = request.run.entropy_byte(request.image_id).astype(np.int16)
    other_HW = _same_size(here_HW, _other(request).entropy_byte(request.image_id)).astype(np.int16)
    return Layer(((here_HW - other_HW + 255) // 2).astype(np.uint8), difference_colours())


def _gain(request: LayerRequest) -> Layer:
    """Return blue where the other run was wrong and this one is right, vermilion where it is the reverse."""
    truth_HW, label_HW = _truth(request), request.run.label(request.image_id)
    right_HW = label_HW == truth_HW
    was_right_HW = _same_size(label_HW, _other(request).label(request.image_id)) == truth_HW
    gain_HW = np.select([truth_HW == IGNORE, right_HW & ~was_right_HW, was_right_HW & ~right_HW], [0, 1, 2], 0)
    return Layer(gain_HW.astype(np.uint8), [DROPPED, BETTER, WRONG], bytes([190, 255, 255]))


def difference_colours() -> list[Colour]:
    """Return 256 colours: blue is a fall, near-white no change, vermilion a rise; most are for small changes."""
    signed = np.linspace(-1, 1, 256)
    position = (np.sign(signed) * np.sqrt(np.abs(signed)) + 1) / 2 * (len(_DIFFERENCE) - 1)
    channels = [np.interp(position, np.arange(len(_DIFFERENCE)), _DIFFERENCE[:, channel]) for channel in range(3)]
    return [tuple(map(int, colour)) for colour in np.stack(channels, axis=1).round()]  # type: ignore[misc]


def _other(request: LayerRequest) -> Source:
    if request.against is None:
        raise ReadableError(f"{request.run.name}: there is no other run to compare with")
    if difference := classes_differ(request.run, request.against):
        raise ReadableError(difference)
    return request.against


def _same_size(here_HW: np.ndarray, other_HW: np.ndarray) -> np.ndarray:
    if other_HW.shape == here_HW.shape:
        return other_HW
    height, width = here_HW.shape
    return np.asarray(Image.fromarray(other_HW).resize((width, height), Image.Resampling.NEAREST))


LAYERS: dict[str, Callable[[LayerRequest], Layer]] = {
    "input": _input,
    "prediction": _prediction,
    "entropy": _entropy,
    "mask": _mask,
    "pseudo": _pseudo,
    "label": _label,
    "errors": _errors,
    "change": _change,
    "entropy-change": _entropy_change,
    "gain": _gain,
}


def layer(name: str, request: LayerRequest) -> Layer:
    """Return a layer by its name.

    Raises:
        ReadableError: if there is no such layer, or the run or image does not have it.
    """
    if name not in LAYERS:
        raise ReadableError(f"there is no layer {name!r}; there are {', '.join(LAYERS)}")
    return LAYERS[name](request)
