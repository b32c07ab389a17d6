"""Predicting images one by one, each written as soon as it is predicted: a killed run continues with the next image."""

# C class, H/W pixels

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json, write_json
from pipeline.common.labels import ClassSet
from pipeline.common.tiling import Tiling
from pipeline.datasets.loading import box_of, crop_problem
from pipeline.datasets.parallel import in_order
from pipeline.datasets.problems import DataError
from pipeline.inference.views import enlarge_to, mean_probabilities, view_logits, views_of
from pipeline.models.base import SegmentationModel
from pipeline.prediction.by_tiles import Written, predict_by_tiles, save
from pipeline.prediction.coco import ANNOTATIONS, Labelled, write_coco
from pipeline.prediction.formats import file_name, table_of
from pipeline.prediction.measures import CLASSES_ONLY, Measures
from pipeline.prediction.pictures import Picture, Pictures
from pipeline.prediction.placed import placed
from pipeline.prediction.reading import read_picture

RECORD = "predictions.json"
IN_FLIGHT = 2  # decoded images that may wait, for each worker


class Views(NamedTuple):
    """How the network sees each image; several views are averaged after softmax."""

    size: tuple[int, int] | None
    """Height and width that the network sees of an image, or of a tile; None is its own."""
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False


class Outcome(NamedTuple):
    """Counts of a run, and the images that it could not read."""

    written: int
    there_already: int
    problems: list[str]
    """One line for each image that could not be read."""


class _Loaded(NamedTuple):
    picture: Picture
    image: Image.Image | None
    input_HW3: np.ndarray | None
    problem: str | None


def predict(
    model: SegmentationModel,
    classes: ClassSet,
    pictures: Pictures,
    out: Path,
    format_: str,
    views: Views,
    computer: Device,
    *,
    origin: str,
    workers: int,
    tiling: Tiling | None = None,
    measures: Measures = CLASSES_ONLY,
) -> Outcome:
    """Write one file of the image's own size for each image; what is there already is passed over.

    Memory does not grow with the number of images. Images that cannot be read are listed in the outcome.

    The model is on the computer's device, in evaluation mode. ``out`` is a new folder, or one that a run of the same
    model, images and settings has begun; ``format_`` is one of `formats.FORMATS`; ``origin`` identifies the model, such
    as its file's hash; ``workers`` are threads that decode and encode. With ``tiling`` the network sees each image in
    tiles, at their own size or at ``views.size``, one image after another; ``measures`` have PNGs of their own in
    folders below ``out``.

    Raises:
        ReadableError: ``out`` holds other files, or predictions of another model, other images or other settings.
    """
    table_of(format_, classes)  # refuses what cannot be written before anything is read
    if any(file_name(format_, picture.name) == RECORD for picture in pictures):
        raise ReadableError(
            f"{out}: an image's prediction would be called {RECORD}, as our record is; rename the image"
        )
    settings = {"model": origin, "images": pictures.source, "classes": list(classes.names), "format": format_}
    cut = {"tile": None if tiling is None else tiling.tile, "overlap": None if tiling is None else tiling.overlap}
    measured = {"measures": measures.names or None, "bits": measures.bits if measures.names else None}
    _claim(out, {**settings, **views._asdict(), **cut, **measured})
    written = Written(format_, classes, measures)
    missing = [number for number, picture in enumerate(pictures) if not _is_written(picture, out, written)]
    if tiling is None:
        problems = _predict_whole(model, pictures, missing, out, written, views, computer, workers)
    else:
        problems = _predict_in_tiles(model, pictures, missing, out, written, views, computer, tiling)
    if format_ == "coco":
        write_coco(out / ANNOTATIONS, lambda: _labelled(pictures, out, written), classes, f"predictions of {origin}")
    return Outcome(len(missing) - len(problems), len(pictures) - len(missing), problems)


def _is_written(picture: Picture, out: Path, written: Written) -> bool:
    return all(path.exists() for path in written.paths(out, picture.name))


def _labelled(pictures: Pictures, out: Path, written: Written) -> Iterator[Labelled]:
    """Yield the images that have predictions; these are read back from their PNGs."""
    for picture in pictures:
        path = out / picture.name
        if _is_written(picture, out, written):
            with Image.open(path) as png:
                size = picture.size or (png.height, png.width)
            yield Labelled(picture.path.relative_to(pictures.folder).as_posix(), size, partial(_label, path, picture))


def _label(path: Path, picture: Picture) -> np.ndarray:
    with Image.open(path) as png:
        return placed(np.asarray(png), picture)


def _predict_in_tiles(
    model: SegmentationModel,
    pictures: Pictures,
    missing: list[int],
    out: Path,
    written: Written,
    views: Views,
    computer: Device,
    tiling: Tiling,
) -> list[str]:
    """Predict images one by one; return a line for each that could not be read."""
    problems = []
    with tqdm(unit="tile", desc="predict", disable=None) as bar:

        def probabilities(tile_hw3: np.ndarray) -> np.ndarray:
            bar.update()
            seen_hw3 = _at_scale(tile_hw3, tiling.tile, views.size)
            return _probabilities(model, seen_hw3, tile_hw3.shape[:2], views, computer)

        for number in missing:
            bar.set_postfix_str(pictures[number].name)
            try:
                predict_by_tiles(pictures[number], out, tiling, written, probabilities)
            except DataError as error:
                problems.append(f"{pictures[number].path}: {error}")
            except OSError as error:
                if error.filename != str(pictures[number].path):
                    raise  # of what is written
                problems.append(f"{pictures[number].path}: cannot be read ({error.strerror})")
    return problems


def _predict_whole(
    model: SegmentationModel,
    pictures: Pictures,
    missing: list[int],
    out: Path,
    written: Written,
    views: Views,
    computer: Device,
    workers: int,
) -> list[str]:
    """Predict images while others are decoded and encoded; return a line for each that could not be read."""
    problems: list[str] = []
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        load = in_order(pool, lambda number: _load(pictures[number], views.size), missing, IN_FLIGHT * max(1, workers))
        for loaded in tqdm(load, total=len(missing), unit="image", desc="predict", disable=None):
            if loaded.image is None or loaded.input_HW3 is None:
                problems.append(f"{loaded.picture.path}: {loaded.problem}")
                continue
            size = (loaded.image.height, loaded.image.width)
            map_MHW = _maps(model, loaded.input_HW3, size, views, computer, written.measures)
            pending.append(pool.submit(_write, loaded.picture, out, written, map_MHW, loaded.image))
            if len(pending) > workers:
                pending.popleft().result()
        for future in pending:
            future.result()
    return problems


def _at_scale(tile_hw3: np.ndarray, tile: tuple[int, int], size: tuple[int, int] | None) -> np.ndarray:
    """Return a tile as the network sees it, enlarged or reduced as much as ``tile`` is to become ``size``.

    A tile is smaller than ``tile`` where its picture is.
    """
    if size is None or size == tile:
        return tile_hw3
    height, width = (
        max(1, round(side * wanted / whole)) for side, wanted, whole in zip(tile_hw3.shape, size, tile, strict=False)
    )
    return np.array(Image.fromarray(tile_hw3).resize((width, height), Image.Resampling.BICUBIC))


def _claim(out: Path, settings: dict[str, object]) -> None:
    """Write the settings into a new folder, or compare them with those of the run that has begun it.

    Raises:
        ReadableError: the folder holds other files, or predictions of other settings.
    """
    record = out / RECORD
    if record.is_file():
        before = read_json(record)
        now = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            listed = ", ".join(f"{key} ({before.get(key)} then, {now[key]} now)" for key in changed if key != "classes")
            raise ReadableError(
                f"{out}: holds predictions of other settings: {listed or 'the classes'}; choose another --out"
            )
        for left in out.rglob(".*.partial"):  # of a killed run; nobody else writes here
            left.unlink()
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ReadableError(f"{out}: holds other files, which are not overwritten; choose a new folder for --out")
    write_json(record, settings)


def _load(picture: Picture, size: tuple[int, int] | None) -> _Loaded:
    try:
        image = read_picture(picture)
        outside = crop_problem(picture.crop, image.height, image.width)
        if outside is not None:
            raise DataError(outside)
    except DataError as error:
        return _Loaded(picture, None, None, str(error))
    except OSError as error:
        return _Loaded(picture, None, None, f"cannot be read ({error.strerror})")
    if picture.crop is not None:
        image = image.crop(box_of(picture.crop))
    seen = image
    if size is not None and size != (image.height, image.width):
        seen = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)  # as training and evaluation do
    return _Loaded(picture, image, np.array(seen), None)


def _write(picture: Picture, out: Path, written: Written, map_MHW: np.ndarray, image: Image.Image) -> None:
    save(written.paths(out, picture.name), picture, map_MHW, image, written)


def _maps(
    model: SegmentationModel,
    image_HW3: np.ndarray,
    size: tuple[int, int],
    views: Views,
    computer: Device,
    measures: Measures,
) -> np.ndarray:
    """Return (1+M,H,W): classes, and each measure."""
    if not measures.names:
        return predicted(model, image_HW3, size, views, computer)[None]
    return measures.reduce(_probabilities(model, image_HW3, size, views, computer))


@torch.inference_mode()
def _probabilities(
    model: SegmentationModel, image_HW3: np.ndarray, size: tuple[int, int], views: Views, computer: Device
) -> np.ndarray:
    """Return the mean probabilities (C,H,W) float32 of all views at ``size``."""
    image_1HW3 = torch.from_numpy(np.array(image_HW3))[None]
    seen, enlarge = views_of(views.scales, views.flip), enlarge_to(model, size)
    logits = view_logits(model, image_1HW3.permute(0, 3, 1, 2), seen, computer)
    prob_CHW: np.ndarray = mean_probabilities(logits, seen, enlarge)[0].cpu().numpy()
    return prob_CHW


@torch.inference_mode()
def predicted(
    model: SegmentationModel, image_HW3: np.ndarray, size: tuple[int, int], views: Views, computer: Device
) -> np.ndarray:
    """Return the model's classes (H,W) uint8 at ``size``.

    One view: the class of the largest logit, enlarged as in the evaluation. Several: of the largest mean probability.
    """
    image_1HW3 = torch.from_numpy(image_HW3)[None]
    seen, enlarge = views_of(views.scales, views.flip), enlarge_to(model, size)
    logits = view_logits(model, image_1HW3.permute(0, 3, 1, 2), seen, computer)
    score_1CHW = enlarge(logits[0]) if len(seen) == 1 else mean_probabilities(logits, seen, enlarge)
    label_HW: np.ndarray = score_1CHW[0].argmax(dim=0).to(torch.uint8).cpu().numpy()
    return label_HW
