"""One pass of a round's network over images of the target, beside what the networks before it answered (caches)."""

# C class, H/W pixels, P pixels drawn from an image

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import View
from pipeline.common.device import Device
from pipeline.evaluation.confusion import confusion_matrix
from pipeline.health.uncertainty import UncertaintySums
from pipeline.inference.views import enlarge_to, mean_probabilities, view_logits
from pipeline.models.base import SegmentationModel

PLAIN, MIRRORED = View(), View(flip=True)


class Observation:
    """Counts over the images of the target seen so far, by network; memory does not grow with the images.

    Attributes:
        votes: of each network, the confusion (C,C) of the ensemble's class with its own.
        mirrored_CC: confusion of the class in an image with that in its mirror image, of the round's own network.
        uncertainty: of each network, sums of the criteria that never decide.
    """

    def __init__(self, names: Sequence[str], classes: int) -> None:
        self.classes = classes
        self.votes = {name: np.zeros((classes, classes), np.int64) for name in names}
        self.mirrored_CC = np.zeros((classes, classes), np.int64)
        self.uncertainty = {name: UncertaintySums(classes) for name in names}

    def add(self, prob: Mapping[str, Tensor], pixels: int, position: int) -> None:
        """Add one image: the probabilities (C,H,W) of each network. ``position`` draws the pixels of `uncertainty`."""
        ensemble_HW = _label(sum(prob.values(), start=torch.zeros(())))  # the arg-max of a sum is that of the mean
        for name, prob_CHW in prob.items():
            self.votes[name] += confusion_matrix(ensemble_HW, _label(prob_CHW), self.classes)
            self.uncertainty[name].add(_drawn(prob_CHW, pixels, position))

    def add_mirrored(self, plain_CHW: Tensor, mirrored_CHW: Tensor) -> None:
        """Add the probabilities of an image and, turned back, of its mirror image."""
        self.mirrored_CC += confusion_matrix(_label(plain_CHW), _label(mirrored_CHW), self.classes)


@torch.inference_mode()
def observe(
    name: str,
    model: SegmentationModel,
    image_at: Callable[[int], np.ndarray],
    earlier: Mapping[str, CacheReader],
    positions: Sequence[int],
    *,
    mirror: bool,
    pixels: int,
    computer: Device,
) -> Observation:
    """Run the network over some images, in the caches' views (and mirrored with ``mirror``), and count.

    ``earlier`` are caches of the networks before it, by name; their first one says at which size and in which views.
    """
    model.eval()
    spec = next(iter(earlier.values())).spec
    asked = tuple(dict.fromkeys((*spec.views, *((PLAIN, MIRRORED) if mirror else ()))))
    seen, enlarge = Observation([*earlier, name], model.classes), enlarge_to(model, spec.size)
    for position in positions:
        logits = dict(zip(asked, view_logits(model, _batch(image_at(position)), asked, computer), strict=True))
        own_NCHW = mean_probabilities([logits[view] for view in spec.views], spec.views, enlarge)
        prob = {other: reader.probability(position, device=computer.device) for other, reader in earlier.items()}
        seen.add({**prob, name: own_NCHW[0]}, pixels, position)
        if mirror:
            seen.add_mirrored(*(mean_probabilities([logits[view]], [view], enlarge)[0] for view in (PLAIN, MIRRORED)))
    return seen


@torch.inference_mode()
def mirrored_confusion(
    model: SegmentationModel,
    image_at: Callable[[int], np.ndarray],
    positions: Sequence[int],
    size: tuple[int, int],
    computer: Device,
) -> np.ndarray:
    """Return the confusion (C,C) of a network's classes in images with those in their mirror images."""
    model.eval()
    seen, enlarge = Observation([], model.classes), enlarge_to(model, size)
    for position in positions:
        views = (PLAIN, MIRRORED)
        logits = view_logits(model, _batch(image_at(position)), views, computer)
        both = [mean_probabilities([own], [view], enlarge)[0] for own, view in zip(logits, views, strict=True)]
        seen.add_mirrored(*both)
    return seen.mirrored_CC


def evenly_spaced(images: int, most: int) -> list[int]:
    """Return at most so many positions of images, evenly spaced from the first to the last."""
    positions = np.linspace(0, images - 1, min(images, most)).round()
    return [int(position) for position in np.unique(positions)]


def _batch(image_HW3: np.ndarray) -> Tensor:
    return torch.from_numpy(image_HW3)[None].permute(0, 3, 1, 2)


def _label(prob_CHW: Tensor) -> np.ndarray:
    label_HW: np.ndarray = prob_CHW.argmax(dim=0).to(torch.uint8).cpu().numpy()
    return label_HW


def _drawn(prob_CHW: Tensor, pixels: int, position: int) -> np.ndarray:
    """Return probabilities (P,C) float64 of pixels that the position draws, with repetition."""
    chosen_P = np.random.default_rng(position).integers(0, prob_CHW[0].numel(), pixels)
    prob_PC: np.ndarray = (
        prob_CHW.flatten(1)[:, torch.from_numpy(chosen_P).to(prob_CHW.device)].T.double().cpu().numpy()
    )
    return prob_PC
