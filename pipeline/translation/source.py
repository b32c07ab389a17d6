"""The labelled images that networks learn from: the source, a translation of it, or the oracle's target."""

from __future__ import annotations

from typing import Any

from pipeline.common.files import file_hash
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import MANIFEST, manifest_path
from pipeline.datasets.opening import PREPARED, SPLIT, images_of
from pipeline.translation.style import SETTINGS, SOURCE, TARGET, Style, open_style


def labelled_images(name: str, size: tuple[int, int]) -> tuple[SplitImages, Style | None]:
    """Return the images of data/prepared/NAME at their own size, or else at ``size`` = (H, W), and their style.

    The style is what images take on when they are loaded; None where files are used as they are.
    """
    style = None if name in PREPARED else open_style(manifest_path(name).parent)
    return images_of(name, size), style


def identity_of(name: str) -> dict[str, Any]:
    """Return hashes of all that makes up data/prepared/NAME, for the name of a working folder."""
    folder = manifest_path(name).parent
    files = (MANIFEST, SPLIT, SETTINGS, TARGET, SOURCE)
    return {"images": {file: file_hash(folder / file) for file in files if (folder / file).is_file()}}
