"""The images that a start learns from: the source as it is, the oracle's target, or a translation of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.common.files import file_hash
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import MANIFEST, manifest_path
from pipeline.datasets.opening import SPLIT, images_of
from pipeline.translation.style import SETTINGS, SOURCE, TARGET, Style, open_style

if TYPE_CHECKING:
    from pipeline.params import Params


def labelled_images(params: Params, name: str) -> tuple[SplitImages, Style | None]:
    """The images of data/prepared/NAME, and what they take on when they are loaded."""
    style = open_style(manifest_path(name).parent) if name in params.translations else None
    return images_of(name, params.data.size), style


def identity_of(name: str) -> dict[str, Any]:
    """Hashes of all that makes up data/prepared/NAME, for the name of a working folder."""
    folder = manifest_path(name).parent
    made_by = (MANIFEST, SPLIT, SETTINGS, TARGET, SOURCE)
    return {"images": {file: file_hash(folder / file) for file in made_by if (folder / file).is_file()}}
