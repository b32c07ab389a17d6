"""Predicting images one by one, each written as soon as it is predicted: a killed run continues with the next image."""

# C class, H/W pixels

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json, whole_file, write_json
from pipeline.common.labels import ClassSet
from pipeline.datasets.decoding import read_image
from pipeline.datasets.loading import box_of, crop_problem
from pipeline.datasets.parallel import in_order
from pipeline.datasets.problems import DataError
from pipeline.inference.views import enlarge_to, mean_probabilities, view_logits, views_of
from pipeline.models.base import SegmentationModel
from pipeline.prediction.formats import picture_of, table_of
from pipeline.prediction.pictures import Picture, Pictures

RECORD = "predictions.json"
IN_FLIGHT = 2  # decoded images that may wait, for each worker


class Views(NamedTuple):
    """How the network sees each image; several views are averaged after softmax."""

    size: tuple[int, int] | None
    """Height and width that the network sees; None is the image's own."""
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
) -> Outcome:
    """Write one PNG of the image's own size for each image; what is there already is passed over.

    Memory does not grow with the number of images. Images that cannot be read are listed in the outcome.

    The model is on the computer's device, in evaluation mode. ``out`` is a new folder, or one that a run of the same
    model, images and settings has begun; ``format_`` is one of `formats.FORMATS`; ``origin`` identifies the model, such
    as its file's hash; ``workers`` are threads that decode and encode.

    Raises:
        ReadableError: ``out`` holds other files, or predictions of another model, other images or other settings.
    """
    table_of(format_, classes)  # refuses what cannot be written before anything is read
    settings = {"model": origin, "images": pictures.source, "classes": list(classes.names), "format": format_}
    _claim(out, {**settings, **views._asdict()})
    missing = [number for number in range(len(pictures)) if not (out / pictures[number].name).exists()]
    problems: list[str] = []
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        load = in_order(pool, lambda number: _load(pictures[number], views.size), missing, IN_FLIGHT * max(1, workers))
        for loaded in tqdm(load, total=len(missing), unit="image", desc="predict", disable=None):
            if loaded.image is None or loaded.input_HW3 is None:
                problems.append(f"{loaded.picture.path}: {loaded.problem}")
                continue
            size = (loaded.image.height, loaded.image.width)
            label_HW = predicted(model, loaded.input_HW3, size, views, computer)
            pending.append(pool.submit(_write, out / loaded.picture.name, format_, label_HW, loaded.image, classes))
            if len(pending) > workers:
                pending.popleft().result()
        for written in pending:
            written.result()
    done = len(pictures) - len(missing)
    return Outcome(len(missing) - len(problems), done, problems)


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
        image = read_image(picture.path.read_bytes(), picture.reading)
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


def _write(path: Path, format_: str, label_HW: np.ndarray, image: Image.Image, classes: ClassSet) -> None:
    with whole_file(path) as temporary:
        picture_of(format_, label_HW, image, classes).save(temporary, format="PNG")


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
