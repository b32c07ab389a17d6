"""What layers are drawn from: the predictions of one run's network on the images of one split."""

# H/W pixels

from __future__ import annotations

from typing import Protocol

import numpy as np

from pipeline.common.labels import ClassSet
from pipeline.viewer.inputs import Inputs

SPLITS = ("target", "evaluation")
"""``target``: what a round's cache holds. ``evaluation``: what ``evaluate`` predicted, beside its labels."""


class Source(Protocol):
    """A run in one split: ``run_view.RunView`` of its cache, ``evaluation_view.EvaluationView`` of predictions.h5."""

    problems: list[str]
    """What is wrong with the files, or why there are no images and what to run."""

    @property
    def name(self) -> str:
        """The run."""

    @property
    def split(self) -> str:
        """One of SPLITS."""

    @property
    def has_images(self) -> bool:
        """Whether there is an image to show."""

    @property
    def stamp(self) -> str:
        """A text that changes with the files; part of every picture's address."""

    @property
    def image_ids(self) -> list[str]:
        """The images that are there."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of all layers."""

    @property
    def classes(self) -> ClassSet:
        """Names and colours of the predicted classes."""

    @property
    def network(self) -> str:
        """The run whose network predicted."""

    def number(self, image_id: str) -> int:
        """Return the position of an image; raises ReadableError if it is not there."""

    def label(self, image_id: str) -> np.ndarray:
        """Return the predicted class of each pixel, (H,W) uint8."""

    def entropy_byte(self, image_id: str) -> np.ndarray:
        """Return the entropy, (H,W) uint8: 255 is ln C."""

    def truth(self, image_id: str, inputs: Inputs) -> np.ndarray | None:
        """Return the label (H,W) uint8, 255 = ignored; None without one."""

    def no_truth(self, inputs: Inputs) -> str:
        """Return why there are no labels; empty where there are."""

    def pseudo_label(self, image_id: str) -> np.ndarray:
        """Return the pseudo-label (H,W) uint8; raises ReadableError where nothing has been selected."""


def classes_differ(one: Source, other: Source) -> str:
    """Return why the classes of two runs cannot be compared; empty where they can."""
    if one.classes.names == other.classes.names:
        return ""
    return f"{one.name} and {other.name} have other classes: they cannot be compared"
