"""``roundabout export --coco``: the images of a run with its predictions and pseudo-labels, as FiftyOne loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.commands.overwriting import keep_what_is_there
from pipeline.commands.run_files import RUNS
from pipeline.common.errors import ReadableError, counted

if TYPE_CHECKING:
    import numpy as np

    from pipeline.prediction.coco import Labelled
    from pipeline.prediction.pictures import SplitPictures

PARAMS = Path("params.yaml")
LabelOf = Callable[[str], "np.ndarray"]
"""From an image's id to its label, at the network's size."""
Opened = Callable[[], tuple[list[str], LabelOf]]
"""Returns the ids of the images, and their labels."""


def write_coco_files(name: str, out: Path, force: bool) -> list[str]:
    """Write a COCO file for each kind of label that a run has, and return a line about each.

    ``target-predictions.json`` is of the cache with which a round begins, ``target-pseudo-labels.json`` of what it
    selected of it (the same images in the same order, not selected ones without annotations),
    ``evaluation-predictions.json`` of the trained network. Labels are enlarged to their images.

    Raises:
        ReadableError: the run holds neither a cache nor predictions, or a file exists already.
    """
    from pipeline.common.labels import class_set
    from pipeline.params import read_params
    from pipeline.prediction.coco import write_coco

    kinds = _kinds(RUNS / name)
    if not kinds:
        raise ReadableError(f"{RUNS / name}: holds neither a cache nor predictions; run `dvc repro` first")
    paths = {kind: out / f"{kind}.json" for kind in kinds}
    keep_what_is_there(paths.values(), force)
    classes, lines = class_set(read_params(PARAMS).classes), []
    for kind, opened in kinds.items():
        ids, label_of = opened()
        pictures = _pictures(kind.partition("-")[0])
        count = write_coco(paths[kind], partial(_labelled, ids, label_of, pictures), classes, f"{name}, {kind}")
        lines.append(f"{paths[kind]}: {counted(count, 'image')}, file names below {pictures.folder}")
    return lines


def _kinds(folder: Path) -> dict[str, Opened]:
    """Return what a run's folder holds, by the files' names, and how to open it."""
    kinds: dict[str, Opened] = {}
    if next((folder / "cache").glob("part-*.h5"), None) is not None:
        kinds["target-predictions"] = partial(_of_cache, folder)
        if (folder / "selection" / "selection.json").is_file():
            kinds["target-pseudo-labels"] = partial(_of_selection, folder)
    if (folder / "predictions.h5").is_file():
        kinds["evaluation-predictions"] = partial(_of_evaluation, folder)
    return kinds


def _of_cache(folder: Path) -> tuple[list[str], LabelOf]:
    from pipeline.cache.reader import CacheReader

    reader = CacheReader(folder / "cache")
    return reader.image_ids, lambda image_id: reader.label(reader.index.number(image_id))


def _of_selection(folder: Path) -> tuple[list[str], LabelOf]:
    import numpy as np

    from pipeline.cache.reader import CacheReader
    from pipeline.common.labels import IGNORE
    from pipeline.methods.pseudo_labels import pseudo_label
    from pipeline.methods.selection_file import read_selection

    reader, selection = CacheReader(folder / "cache"), read_selection(folder / "selection" / "selection.json")
    selected = set(selection.images)

    def label_of(image_id: str) -> np.ndarray:
        if image_id not in selected:
            return np.full(reader.spec.size, IGNORE, np.uint8)
        return pseudo_label(reader, selection, image_id)

    return reader.image_ids, label_of


def _of_evaluation(folder: Path) -> tuple[list[str], LabelOf]:
    from pipeline.evaluation.images import PredictionsReader

    reader = PredictionsReader(folder / "predictions.h5")
    return reader.image_ids, lambda image_id: reader.image(image_id).label_hw


def _pictures(split: str) -> SplitPictures:
    from pipeline.datasets.manifest import manifest_path
    from pipeline.datasets.opening import prepared_split
    from pipeline.prediction.pictures import SplitPictures

    prepared = prepared_split(split)
    return SplitPictures(manifest_path(split), prepared.crop, prepared.reading)


def _labelled(ids: list[str], label_of: LabelOf, pictures: SplitPictures) -> Iterator[Labelled]:
    """Yield an image file at a time: of tiles, which are neighbours in ``ids``, the label is put together."""
    from pipeline.prediction.coco import Labelled

    shown = tqdm(ids, unit="image", desc="coco", disable=None, leave=False)
    for path, tiles in groupby(shown, key=lambda image_id: pictures.of_id(image_id).path):
        parts = list(tiles)
        size = pictures.of_id(parts[0]).size
        assert size is not None
        label = partial(_label, parts, label_of, pictures, size)
        yield Labelled(path.relative_to(pictures.folder).as_posix(), size, label)


def _label(ids: list[str], label_of: LabelOf, pictures: SplitPictures, size: tuple[int, int]) -> np.ndarray:
    from pipeline.prediction.placed import put_together

    return put_together(((label_of(image_id), pictures.of_id(image_id)) for image_id in ids), size)
