"""The layout ``synthia``: SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016), its archive unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.decoding import IDS, Decoder
from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.train_id_names import NAMING, TRAIN_ID_ENDING
from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
    Choice,
    Listing,
    expanded,
    files_below,
    first_folder,
    paired,
    required_folder,
)
from pipeline.datasets.meaning import TRAIN_IDS, Meaning, Meanings, numbered
from pipeline.datasets.problems import DataError
from pipeline.datasets.walking import pass_over

if TYPE_CHECKING:
    from pipeline.params import SynthiaSplit

LABEL_FOLDERS = ("GT/LABELS", "parsed_LABELS", "synthia_mapped_to_cityscapes")
"""The published labels, and copies with 8 bits by other projects: the ids in them are SYNTHIA's all the same."""

SYNTHIA_IDS: Meanings = numbered((
    ("void", ""), ("sky", "sky"), ("building", "building"), ("road", "road"), ("sidewalk", "sidewalk"),
    ("fence", "fence"), ("vegetation", "vegetation"), ("pole", "pole"), ("car", "car"),
    ("traffic sign", "traffic sign"), ("pedestrian", "person"), ("bicycle", "bicycle"), ("motorcycle", "motorcycle"),
    ("parking-slot", ""), ("road-work", ""), ("traffic light", "traffic light"), ("terrain", "terrain"),
    ("rider", "rider"), ("truck", "truck"), ("bus", "bus"), ("train", "train"), ("wall", "wall"),
    ("lanemarking", ""),
)) | {
    identity: Meaning(name, name, occurs=False) for identity, name in ((16, "terrain"), (18, "truck"), (20, "train"))
}  # fmt: skip


def synthia_meanings(split: SynthiaSplit) -> Meanings:
    """Return SYNTHIA's own ids, or the 19 train ids that a converter left in ``*_labelTrainIds.png``."""
    return SYNTHIA_IDS if split.label_ids == "synthia" else TRAIN_IDS


def synthia_entries(split: SynthiaSplit) -> Listing:
    """List ``RGB/0000000.png`` with the labels of the same names, sorted by id.

    Labels are in ``split.labels``, or else in the first of LABEL_FOLDERS that is there.

    Raises:
        DataError: a folder is missing or holds no such file.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder RAND_CITYSCAPES, which holds RGB/ and GT/ as the archive unpacks them."
    images = required_folder(root, "RGB", advice)
    labels = first_folder(root, LABEL_FOLDERS if split.labels is None else (split.labels,), advice)
    image_names = list(files_below(images, IMAGE_SUFFIXES))
    if not image_names:
        raise DataError(f"{images}: holds no image; {advice}")
    train_ids = split.label_ids == "cityscapes-19"
    names = list(files_below(labels, IMAGE_SUFFIXES))
    label_names = [name for name in names if name.endswith(TRAIN_ID_ENDING) == train_ids]
    pass_over("label of the other kind of ids", len(names) - len(label_names))
    if not label_names:
        raise DataError(_no_labels(labels, train_ids))
    return paired(images, image_names, labels, label_names, NAMING, Choice(split.listed, split.take))


def _no_labels(labels: Path, train_ids: bool) -> str:
    if train_ids:
        return f"{labels}: holds no *{TRAIN_ID_ENDING}; leave label_ids out, or set `labels` to the folder that does"
    return f"{labels}: holds no label 0000000.png, …; if it holds *{TRAIN_ID_ENDING} only, say label_ids: cityscapes-19"


def _decoder(split: SynthiaSplit) -> Decoder:
    return Decoder("sixteen-bit", {}) if split.label_ids == "synthia" else IDS


SYNTHIA = Layout("synthia", synthia_entries, synthia_meanings, {"synthia": SYNTHIA_IDS}, _decoder)
