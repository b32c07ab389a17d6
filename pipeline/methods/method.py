"""The record of a method: everything that params, stages, report, viewer and command line ask of one.

A method's file ends with its record, and ``pipeline.methods.registry`` lists the records. Training alone has more to
know of a method: its objective. ``pipeline.params`` imports all records, so importing this file or a method's must not
import torch, h5py or numba; the functions that need them import them.

# C class, H/W pixels
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

import numpy as np
from pydantic import Field

from pipeline.common.section import ChangingEntry, Fraction, Positive, Section
from pipeline.methods.selection_file import Details, Selection

if TYPE_CHECKING:
    from pipeline.cache.reader import CacheReader, Pixels
    from pipeline.params import Params


# ------------------------------------------------------------------------------------------------------------- params


class RoundEntry(ChangingEntry):
    """What every entry of the table ``rounds`` says; a method's own adds to it and narrows ``method`` to its name."""

    CHANGES: ClassVar[str] = "adapt"

    method: str
    init: str
    adapt: dict[str, Any] = Field(
        default_factory=dict,
        description="what this round changes of the section adapt; steps replaces epochs, and the other way round",
    )
    guard: bool = Field(
        False, description="where the verdict without labels is `fails`, the round's result is its init's network"
    )


class WholeImages(Section):
    """How images with pseudo-labels are cut for training, of methods that do not cut patches of their own."""

    crops: Positive = Field(1, description="windows of each image")
    crop_size: tuple[Fraction, Fraction] = Field((1.0, 1.0), description="height, width as fractions of the image")


# ------------------------------------------------------------------------------------------------------------ patches


class ZoomedPatches(NamedTuple):
    """Random windows, zoomed to the size of the image."""

    patches: int
    fraction: tuple[float, float]
    """Height, width as fractions of the image."""


class Crops(NamedTuple):
    """Windows at their own scale, centred on a pixel of a rare class with a chance."""

    crops: int
    fraction: tuple[float, float]
    """Height, width as fractions of the image."""
    mine_below: float = 0.0
    """Share of the predicted pixels below which a class is rare."""
    mine_chance: float = 0.0


def whole_images(section: WholeImages) -> Crops:
    """Return the cut of a method that mines no classes."""
    return Crops(section.crops, section.crop_size)


# ------------------------------------------------------------------------------------------------- report and viewer


class Threshold(NamedTuple):
    """With what a selection's thresholds are compared.

    ``quantity`` is for the viewer: ``entropy-share`` (of ln C), ``entropy-nats``, ``confidence`` or ``none``; and two
    that no histogram of all images shows: ``entropy-in-image`` (LSE as released normalises in each image) and
    ``confidence-and-prior`` (CBST-SP). ``unit`` is for the report, None without thresholds.
    """

    quantity: str
    unit: str | None


NO_THRESHOLD = Threshold("none", None)


class PixelView(NamedTuple):
    """A pixel whose fate is to be explained."""

    selection: Selection
    image_id: str
    label_HW: np.ndarray
    """The network's class of each pixel, uint8."""
    entropy_HW: np.ndarray
    """In nats, float32."""
    pseudo_HW: np.ndarray
    """The pseudo-label of each pixel, uint8, IGNORE where there is none."""
    prob_C: np.ndarray
    """The pixel's class distribution, float32."""
    position: tuple[int, int]
    """Row and column."""
    class_names: tuple[str, ...]


class Explanation(NamedTuple):
    """Why a pixel was kept or dropped; ``value`` and ``threshold`` are on the scale of ``quantity``."""

    quantity: str
    value: float | None
    threshold: float | None
    words: str


# ------------------------------------------------------------------------------------------------------- command line


class Share(NamedTuple):
    """The share that a method selects: the field of its rounds, and of what it is a share."""

    field: str
    of: str
    may_be_zero: bool = False


class Option(NamedTuple):
    """An option of ``roundabout select`` that belongs to one method; ``type`` as typer understands it."""

    name: str
    type: Any
    default: Any
    help: str
    problem: Callable[[tuple[str, ...]], str | None] = lambda class_names: None
    """What forbids the option on a cache of these classes; None where nothing does."""

    @property
    def flag(self) -> str:
        """How it is written on the command line."""
        return f"--{self.name.replace('_', '-')}"


class PaperRounds(NamedTuple):
    """The rounds that a paper runs, for ``roundabout rounds NAME``."""

    name: str
    rounds: int
    section: str
    """What params.yaml must say of the method."""
    first: float | None = None
    """Share of the first round; None where the method selects no share."""
    step: float = 0.0
    """By how much the share grows with each round."""
    largest: float = 0.0
    initial_alignment: str | None = None
    """Alignment of the initial model of the first round; None: source-only."""
    fixed: Mapping[str, Any] = MappingProxyType({})
    """What every entry says besides."""
    besides: str = ""
    """What else params.yaml must say."""
    hints: tuple[str, ...] = ()
    """Lines to print above the rounds."""
    initial_hints: tuple[str, ...] = ()
    """And those about the initial model, where the first round begins with source-only."""


# ------------------------------------------------------------------------------------------------------------- record

S = TypeVar("S", bound=Section)
R = TypeVar("R", bound=RoundEntry)


@dataclass(frozen=True)
class Method(Generic[S, R]):
    """One method."""

    name: str
    """As params.yaml and selection.json have it."""
    _: KW_ONLY
    section: type[S]
    """Its section of params.yaml, which has the method's name; a field ``compat`` says what there is to follow."""
    round: type[R]
    """Its entries in the table ``rounds``; ``method`` is a Literal of the name."""
    select: Callable[[CacheReader, S, R, Path], tuple[Selection, Details]]
    """From a round's cache to a selection and what else selection.json says; the path is of the spatial prior."""
    label: Callable[[Pixels, Selection], np.ndarray]
    """The pseudo-label (H,W) uint8 of an image's pixels; IGNORE where the method does not trust them."""
    cut: Callable[[S], ZoomedPatches | Crops]
    """How the selected images become patches."""
    threshold: Callable[[Selection], Threshold]
    explain: Callable[[PixelView], Explanation]
    about: str
    """A sentence for the viewer: which pixels it keeps."""
    when_empty: str
    """What to change in params.yaml when nothing was selected; ``{round}`` is the round's name."""
    paper: tuple[PaperRounds, ...]
    """The paper's rounds, those of its variants after its own."""
    from_options: Callable[[dict[str, Any]], tuple[S, R]]
    """Section and round from the options of ``roundabout select``: ``compat``, ``portion``, and its own by name."""
    share: Share | None = None
    options: tuple[Option, ...] = ()
    problems: Callable[[Params, str, S, R], list[str]] = field(default=lambda params, name, section, entry: [])
    """What is wrong with a round, by its name, that only all of params.yaml shows."""
    needs_volume: bool = False
    """Whether ``label`` reads the class distributions, not only arg-max, confidence and entropy."""
    teaches: bool = False
    """Whether a teacher labels the target's images anew during training, beginning with the cache's statistics."""
    splits: bool = False
    """Whether the images that it does not select are its hard ones, which training looks at too."""
    score_falls: bool = False
    """Whether the largest score of an image is the best, as confidence is; else it is the smallest, as of entropy."""

    @property
    def sides(self) -> tuple[str, str]:
        """The words for images that it selects, and for the others."""
        return ("easy", "hard") if self.splits else ("selected", "not selected")

    @property
    def compats(self) -> tuple[str, ...]:
        """What it can follow: ``paper``, and ``author`` where there is released code."""
        return get_args(self.section.model_fields["compat"].annotation)
