"""The images that a start learns from: the source as it is, the oracle's target, or a translation of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.common.files import file_hash
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.opening import images_of
from pipeline.translation.style import SETTINGS, SOURCE, TARGET, Style, open_style

if TYPE_CHECKING:
    from pipeline.params import AnySplit, Params


def labelled_split(params: Params, name: str) -> AnySplit:
    """What params.yaml says of the split in data/prepared/NAME: of a translation, what it says of the source."""
    return params.data.target if name == "target-labelled" else params.data.source


def labelled_images(params: Params, name: str) -> tuple[SplitImages, Style | None]:
    """The images of data/prepared/NAME, and what they take on when they are loaded.

    Images that a generator has written are cut and sized already; labels never are.
    """
    split = labelled_split(params, name)
    if name not in params.translations:
        return images_of(name, split, params.data.size), None
    style = open_style(manifest_path(name).parent)
    if style is None:
        return SplitImages(Manifest(manifest_path(name)), crop=None, size=split.size or params.data.size), None
    return images_of(name, split, params.data.size), style


def identity_of(params: Params, name: str) -> dict[str, Any]:
    """Hashes of all that makes up data/prepared/NAME, for the name of a working folder."""
    folder = manifest_path(name).parent
    made_by = ("manifest.jsonl", SETTINGS, TARGET, SOURCE)
    return {
        "images": {file: file_hash(folder / file) for file in made_by if (folder / file).is_file()},
        "split": labelled_split(params, name).model_dump(),
    }
