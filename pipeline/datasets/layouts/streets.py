"""The layout ``streets``: the generated pair of domains, which ``prepare`` draws (pipeline/datasets/streets)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pipeline.datasets.layout import Layout
from pipeline.datasets.meaning import TRAIN_IDS
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import CracksSplit, StreetsSplit


def not_drawn_yet(split: StreetsSplit | CracksSplit) -> NoReturn:
    """Raise DataError: a generated split has no files of its own."""
    raise DataError(f"layout {split.layout!r} has no files before `dvc repro prepare` draws them")


STREETS = Layout("streets", not_drawn_yet, lambda _split: TRAIN_IDS, {"streets": TRAIN_IDS})
