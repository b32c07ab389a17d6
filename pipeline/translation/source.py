"""The labelled images that networks learn from: the source, a translation of it, or the oracle's target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.common.files import file_hash
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.opening import images_of
from pipeline.translation.style import SETTINGS, SOURCE, TARGET, Style, open_style

if TYPE_CHECKING:
    from pipeline.params import AnySplit, Data


_AS_PREPARED = ("source", "target-labelled")
"""Splits that `prepare` writes; every other one is a translation of the source."""


class LabelledSplit(NamedTuple):
    """A split that networks learn from: data/prepared/NAME, and what params.yaml says of its files."""

    name: str
    settings: AnySplit


def labelled_split(data: Data, name: str) -> LabelledSplit:
    """Return the split of that name; the files of a translation are described as the source's are."""
    return LabelledSplit(name, data.target if name == "target-labelled" else data.source)


def labelled_images(split: LabelledSplit, size: tuple[int, int]) -> tuple[SplitImages, Style | None]:
    """Return the images of a split at its own size, or else at ``size`` = (H, W), and the style they take on.

    Images that a generator has written are cut and sized already; labels never are.
    """
    name, settings = split
    if name in _AS_PREPARED:
        return images_of(name, settings, size), None
    style = open_style(manifest_path(name).parent)
    if style is None:
        return SplitImages(Manifest(manifest_path(name)), crop=None, size=settings.size or size), None
    return images_of(name, settings, size), style


def identity_of(split: LabelledSplit) -> dict[str, Any]:
    """Return hashes of all that makes up the split, for the name of a working folder."""
    folder = manifest_path(split.name).parent
    files = ("manifest.jsonl", SETTINGS, TARGET, SOURCE)
    return {
        "images": {file: file_hash(folder / file) for file in files if (folder / file).is_file()},
        "split": split.settings.model_dump(),
    }
