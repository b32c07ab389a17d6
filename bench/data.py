"""Loading: decode, resize and augment, against plain loaders; the wait for data in a training step; a large index.

Files have the published sizes: GTA5 (1052x1914 PNG, indexed labels), Cityscapes (1024x2048 PNG), BDD100K (720x1280
JPEG). Pictures are drawn streets with the target's noise, so that they compress about as badly as photographs do.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms.v2 import functional as transforms

from bench.table import Row, machine, publish
from pipeline.common.device import select_device
from pipeline.common.labels import CITYSCAPES_19, CITYSCAPES_ID_TO_TRAIN_ID, IGNORE
from pipeline.datasets.entries import entries, label_reader, label_table
from pipeline.datasets.index import index_split
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.streets.draw import draw as draw_street
from pipeline.models.build import build_model, set_normalisation
from pipeline.params import Bdd100kSplit, CityscapesSplit, FolderSplit, Gta5Split, Optimiser
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Batch, Stream, prefetched
from pipeline.training.image_samples import labelled_samples
from pipeline.training.objectives import supervised
from pipeline.training.optimisation import make_optimiser

SIZE = (512, 1024)
AUGMENT = Augment(flip=True, scale=(0.5, 1.5), colour=0.2)
IMAGES, REPEATS = 6, 3
STEPS, BATCH = 8, 2
INDEXED = 100_000
TO_ID = np.full(256, 0, np.uint8)
for _identity, _train_id in CITYSCAPES_ID_TO_TRAIN_ID.items():
    TO_ID[_train_id] = _identity


class Set(NamedTuple):
    """Files on a disk and how the project and a plain loader read them."""

    name: str
    images: SplitImages
    labels: SplitLabels


# --------------------------------------------------------------------------------------------------- files as published


def draw(number: int, height: int, width: int) -> tuple[Image.Image, np.ndarray]:
    """A drawn street of the target's domain and its train ids, enlarged to a size; the sensor's noise comes after."""
    image_HW3, label_HW = draw_street("target", 1, number, 256, 512)
    image = Image.fromarray(image_HW3).resize((width, height), Image.Resampling.BICUBIC)
    label = Image.fromarray(label_HW).resize((width, height), Image.Resampling.NEAREST)
    noise_HW3 = np.random.default_rng(number).normal(0, 2.5, (height, width, 3))
    noisy_HW3 = np.clip(np.asarray(image) + noise_HW3, 0, 255).astype(np.uint8)
    return Image.fromarray(noisy_HW3), np.asarray(label)


def write_files(root: Path) -> None:
    """IMAGES pairs of each of the three data sets."""
    for number in range(IMAGES):
        image, label_HW = draw(number, 1052, 1914)
        indexed = Image.fromarray(TO_ID[label_HW])
        indexed.putpalette([value for value in range(256) for _ in range(3)])
        _save(image, root / f"gta5/images/{number:05}.png")
        _save(indexed, root / f"gta5/labels/{number:05}.png")
        image, label_HW = draw(number, 1024, 2048)
        _save(image, root / f"cityscapes/leftImg8bit/train/ulm/ulm_{number:06}_000019_leftImg8bit.png")
        ids = Image.fromarray(TO_ID[label_HW])
        _save(ids, root / f"cityscapes/gtFine/train/ulm/ulm_{number:06}_000019_gtFine_labelIds.png")
        image, label_HW = draw(number, 720, 1280)
        _save(image, root / f"bdd100k/images/10k/train/{number:08}.jpg")
        _save(Image.fromarray(label_HW), root / f"bdd100k/labels/sem_seg/masks/train/{number:08}.png")


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=90)


def open_sets(root: Path) -> list[Set]:
    """The three sets through the project's own index."""
    splits = (
        Gta5Split(layout="gta5", root=str(root / "gta5")),
        CityscapesSplit(layout="cityscapes", root=str(root / "cityscapes"), split="train"),
        Bdd100kSplit(layout="bdd100k", root=str(root / "bdd100k"), split="train"),
    )
    found = []
    for split in splits:
        table, path = label_table(split, CITYSCAPES_19), root / f"{split.layout}.jsonl"
        problems = index_split(entries(split), table, path, needs_labels=True, crop=None, workers=1, progress=False)
        assert not problems, problems
        manifest = Manifest(path)
        labels = SplitLabels(manifest, crop=None, size=SIZE, table=table, read=label_reader(split))
        found.append(Set(split.layout, SplitImages(manifest, crop=None, size=SIZE), labels))
    return found


# ------------------------------------------------------------------------------------------------------- three loaders


def ours(data: Set, position: int) -> None:
    """The project's sample: checked against the manifest, resized, ids mapped, augmented."""
    labelled_samples(data.images, data.labels, AUGMENT)(position, np.random.default_rng(position))


def plain_pillow(data: Set, position: int) -> None:
    """What the papers' loaders do: open, convert, resize, map ids by a loop over classes, augment as we do."""
    row = data.images.manifest[position]
    assert row.label is not None
    size = (SIZE[1], SIZE[0])
    image_HW3 = np.asarray(Image.open(row.image).convert("RGB").resize(size, Image.Resampling.BICUBIC))
    id_HW = np.asarray(Image.open(row.label).resize(size, Image.Resampling.NEAREST))
    AUGMENT(image_HW3, mapped_by_loop(id_HW, data), np.random.default_rng(position))


def by_torchvision(data: Set, position: int) -> None:
    """torchvision's decoders and antialiased bicubic resizing, then the same ids and augmentation."""
    row = data.images.manifest[position]
    assert row.label is not None
    image_3HW = decode_image(read_file(row.image), ImageReadMode.RGB)
    image_3HW = transforms.resize(image_3HW, list(SIZE), transforms.InterpolationMode.BICUBIC, antialias=True)
    # its PNG decoder turns indexed files into their colours, so that GTA5's labels have to go through Pillow
    label = np.asarray(Image.open(row.label)) if data.name == "gta5" else decode_image(read_file(row.label))[0].numpy()
    id_1HW = transforms.resize(torch.from_numpy(label.copy())[None], list(SIZE), transforms.InterpolationMode.NEAREST)
    AUGMENT(
        image_3HW.permute(1, 2, 0).numpy(), mapped_by_loop(id_1HW[0].numpy(), data), np.random.default_rng(position)
    )


def mapped_by_loop(id_HW: np.ndarray, data: Set) -> np.ndarray:
    """Ids to classes, class by class, as AdaptSegNet's loader and its many heirs do."""
    label_HW = np.full(id_HW.shape, IGNORE, np.uint8)
    for identity in np.flatnonzero(data.labels.table < len(CITYSCAPES_19)):
        label_HW[id_HW == identity] = data.labels.table[identity]
    return label_HW


def images_per_second(load: Callable[[Set, int], None], data: Set) -> float:
    """For each second of one core (time that the process computes, so that others on the machine do not count)."""
    before = time.process_time()
    for position in range(IMAGES):
        load(data, position)
    return IMAGES / (time.process_time() - before)


def loader_rows(sets: list[Set]) -> list[Row]:
    """Images a second of the three loaders, in turns, and the median ratios."""
    loaders = {"ours": ours, "plain Pillow": plain_pillow, "torchvision": by_torchvision}
    rows = []
    for data in sets:
        for load in loaders.values():
            load(data, 0)
        speeds: dict[str, list[float]] = {name: [] for name in loaders}
        for _ in range(REPEATS):
            for name, load in loaders.items():
                speeds[name].append(images_per_second(load, data))
        for name, values in speeds.items():
            rows.append(Row(f"{data.name}, {name}, one core", statistics.median(values), "images/s", None, None))
        for name, goal in (("plain Pillow", "≥ 1"), ("torchvision", None)):
            ratio = statistics.median(own / its for own, its in zip(speeds["ours"], speeds[name], strict=True))
            rows.append(Row(f"{data.name}, ours over {name}", ratio, "×", goal, None if goal is None else ratio >= 1))
    return rows


# ------------------------------------------------------------------------------------------------ the wait in training


def timed(batches: Iterator[Batch], waits: list[float]) -> Iterator[Batch]:
    """The batches, with the seconds that each was waited for."""
    while True:
        before = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        waits.append(time.perf_counter() - before)
        yield batch


def wait_share(data: Set, threads: int) -> float:
    """Share of the training time of the small network that is spent waiting for a batch, after the first two steps."""
    computer = select_device("auto", "auto")
    model = build_model("small", len(CITYSCAPES_19), encoder="efficientnet-lite0")
    set_normalisation(model, "frozen")
    computer.place(model)
    model.train()
    optimiser = make_optimiser(model.parameter_groups(), Optimiser())
    stream = Stream("source", labelled_samples(data.images, data.labels, AUGMENT), IMAGES, BATCH, 1)
    waits: list[float] = []
    begun = 0.0
    steps = STEPS if computer.device.type == "cpu" else 20 * STEPS
    for step, batch in enumerate(timed(prefetched([stream], 0, steps, threads), waits)):
        optimiser.zero_grad()
        for _, loss in supervised(model, batch):
            loss.backward()
        optimiser.step()
        loss.item()
        if step == 1:
            begun = time.perf_counter()
    return sum(waits[2:]) / (time.perf_counter() - begun)


def wait_rows(sets: list[Set]) -> list[Row]:
    """The share for each set, with as many loader threads as there are cores."""
    threads = len(os.sched_getaffinity(0))
    rows = []
    for data in sets:
        share = 100 * wait_share(data, threads)
        what = f"{data.name}, data wait of a step, {threads} loader threads"
        rows.append(Row(what, share, "%", "≤ 5", share <= 5))
    return rows


# ---------------------------------------------------------------------------------------------------------- the index


def index_rows(root: Path, workers: int) -> list[Row]:
    """Seconds and memory of an index of 100,000 pairs (links to a few small files), and of a tenth of it."""
    few = INDEXED // 10
    seconds, core_seconds, grown = {}, {}, {}
    for count in (few, INDEXED):
        folder = root / f"index-{count}"
        _link_files(folder, count)
        seconds[count], core_seconds[count], grown[count] = _in_child(folder, workers)
    added = 1e3 * (grown[INDEXED] - grown[few]) / (INDEXED - few)
    return [
        Row(f"index of {few} pairs, {workers} threads", seconds[few], "s", None, None),
        Row(f"index of {INDEXED} pairs, {workers} threads", seconds[INDEXED], "s", "≤ 60", seconds[INDEXED] <= 60),
        Row("the same, time of one core", core_seconds[INDEXED], "s", None, None),
        Row(f"memory that an index of {INDEXED} pairs adds", grown[INDEXED], "MB", None, None),
        Row("its growth per added pair", added, "kB", "≤ 1", added <= 1),
    ]


def _link_files(folder: Path, count: int) -> None:
    """Pairs of names; file systems allow some ten thousand links to one file."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        first = number % 50
        for kind, shape in (("images", (32, 64, 3)), ("labels", (32, 64))):
            path = folder / kind / f"{number:06}.png"
            if number < 50:
                pixels = np.random.default_rng(number).integers(0, 255 if kind == "images" else 2, shape, np.uint8)
                Image.fromarray(pixels).save(path)
            else:
                path.hardlink_to(folder / kind / f"{first:06}.png")


def _in_child(folder: Path, workers: int) -> tuple[float, float, float]:
    """Seconds, seconds of one core, and megabytes that the process grew by, of an index in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        split = FolderSplit(layout="folder", root=str(folder), class_map={0: "road", 1: "sky"})
        table, path = label_table(split, CITYSCAPES_19), folder / "manifest.jsonl"
        before, core, memory = time.perf_counter(), time.process_time(), _peak()
        found = entries(split)
        problems = index_split(found, table, path, needs_labels=True, crop=None, workers=workers, progress=False)
        took = time.perf_counter() - before, time.process_time() - core, _peak() - memory
        os.write(writer, " ".join(str(value) for value in (*took, len(problems))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    seconds, core_seconds, grown_megabytes, wrong = (float(value) for value in os.read(reader, 200).split())
    assert not wrong
    return seconds, core_seconds, grown_megabytes


def _peak() -> float:
    """Largest resident set so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measures all three and publishes them."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        rows = index_rows(root, len(os.sched_getaffinity(0)))
        write_files(root)
        sets = open_sets(root)
        rows += loader_rows(sets)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        rows += wait_rows(sets)
    shared = ", a machine shared with others" if "--shared" in sys.argv else ""
    publish(
        "data", rows, f"{machine()}{shared}; to {SIZE[0]}x{SIZE[1]}, flip, zoom and colour; batch {BATCH} in training"
    )


if __name__ == "__main__":
    main()
