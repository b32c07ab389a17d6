"""What a layout is: how a published data set lists its files, what its ids mean, and how its labels are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoding import IDS, Decoder
from pipeline.datasets.listing import Entry
from pipeline.datasets.meaning import Meanings


class Layout(NamedTuple):
    """One layout; its functions take the section of params.yaml that names it."""

    name: str
    entries: Callable[[Any], Iterator[Entry]]
    """Images with their labels, sorted by id; raises DataError where they are not in the folders of the section."""
    meanings: Callable[[Any], Meanings]
    """What the ids of its label files mean."""
    published: Mapping[str, Meanings] = {}
    """The tables that `roundabout classes` shows by name: one for each edition."""
    decoder: Callable[[Any], Decoder] = lambda _split: IDS
    reading: Callable[[Any], ImageReading] = lambda _split: AS_THEY_ARE
    """Which bands and which range of its images become red, green and blue."""
    folds: Callable[[Any], int] = lambda _split: 1
    """Into how many runs of its sorted ids an evaluation cuts the images."""
