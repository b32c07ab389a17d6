"""Labels whose names differ from their images' in letter case, Unicode form or a double suffix; and labels' twins."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.datasets.problems import DataError
from pipeline.datasets.walking import pass_over

TWINS = (
    "_color", "_colour", "_colors", "_colored", "_color_mask", "_instance", "_instances", "_instanceids",
    "_instancetrainids", "_overlay", "_vis", "_viz", "_polygons", "_depth",
)  # fmt: skip
"""Endings of files that annotation programs leave beside a label of the same name: pictures of it, not labels."""

Identity = Callable[[str], str]


class Paired(NamedTuple):
    """The labels that are left, and the function from a label's name to its id."""

    names: Sequence[str]
    identity: Identity


def folded(name: str) -> str:
    """Return a name without letter case, in one Unicode form: macOS writes ü as u and ¨, others as one letter."""
    return unicodedata.normalize("NFC", name).casefold()


def pair_labels(
    image_names: Sequence[str], image_identity: Identity, label_names: Sequence[str], label_identity: Identity
) -> Paired:
    """Give labels without an image the id of the one image that they mean, and leave out the twins of labels.

    Names that are equal come first; what is left is compared folded, and with an image's whole name (x.jpg.png). A
    label that means no image keeps its own id.

    Raises:
        DataError: a label may mean several images.
    """
    image_ids = set(map(image_identity, image_names))
    lonely = [name for name in label_names if label_identity(name) not in image_ids]
    if not lonely:
        return Paired(label_names, label_identity)
    label_ids = set(map(label_identity, label_names))
    meant = _meant(
        lonely, label_identity, [n for n in image_names if image_identity(n) not in label_ids], image_identity
    )
    labelled = image_ids & (label_ids | set(meant.values()))
    twins = {name for name in lonely if name not in meant and _is_twin(label_identity(name), labelled)}
    pass_over("picture beside a label (_color, _instance, …)", len(twins))
    return Paired(
        [name for name in label_names if name not in twins] if twins else label_names,
        lambda name: meant[name] if name in meant else label_identity(name),
    )


def _meant(labels: list[str], label_identity: Identity, images: list[str], image_identity: Identity) -> dict[str, str]:
    """The id of the image that each label means, among images without label."""
    images_of: dict[str, set[str]] = {}
    for image in images:
        for key in (image_identity(image), image):
            images_of.setdefault(folded(key), set()).add(image)
    meant = {}
    for label in labels:
        images_meant = sorted(images_of.get(folded(label_identity(label)), ()))
        if len(images_meant) > 1:
            raise DataError(
                f"the label {label} may be of {images_meant[0]} or of {images_meant[1]}; rename one of the images"
            )
        if images_meant:
            meant[label] = image_identity(images_meant[0])
    return meant


def _is_twin(identity: str, labelled: set[str]) -> bool:
    return any(
        identity.lower().endswith(ending) and identity[: len(identity) - len(ending)] in labelled for ending in TWINS
    )
