"""The viewer over 3,000 Cityscapes-sized images, in a cache and in predictions: how soon pictures come, and memory.

    python -m bench.inspect
    python -m bench.inspect --images 64    # a trial: prints, and publishes nothing

The cache's parts repeat a few generated images under different ids, and the input images are PNGs of 1024x2048, as in
Cityscapes: reading, decoding and encoding cost what they cost there.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from bench.cache_volumes import LOW_SIZE, SIZE, make_logits
from bench.table import Row, machine, publish
from bench.workspace import ROOT, preset, write_params
from pipeline.cache.encode import EncodedImage, empty_histograms, encode_logits
from pipeline.cache.index import CacheIndex
from pipeline.cache.parts import write_part
from pipeline.cache.schema import CacheSpec
from pipeline.common.files import write_text
from pipeline.common.labels import CITYSCAPES_19
from pipeline.datasets.manifest import MANIFEST, line_of
from pipeline.datasets.manifest import Row as ManifestRow
from pipeline.datasets.opening import PreparedSplit, write_split
from pipeline.evaluation.confusion import confusion_matrix
from pipeline.evaluation.evaluate import Answer
from pipeline.evaluation.images import PredictionsWriter, score_image, write_scores
from pipeline.methods.lse import select_lse
from pipeline.methods.selection_file import write_selection

IMAGES, PART_IMAGES, DISTINCT = 3000, 32, 8
LOOKED_AT = 60
LAYERS = {
    "target": ("input", "prediction", "entropy", "mask"),
    "evaluation": ("input", "prediction", "label", "errors"),
}
"""What the page shows when nothing else is asked for, in each split."""


def make_workspace(folder: Path, count: int) -> None:
    """A project with one round: params, manifests, a cache of all images, LSE's selection, and an evaluation."""
    params = preset("streets-lse")
    params["data"]["size"] = list(SIZE)
    write_params(folder, params)
    ids = [f"city/{number:06}_leftImg8bit" for number in range(count)]
    _write_images(folder, ids)
    cache = folder / "runs" / "lse-1" / "cache"
    spec = CacheSpec("generated", CITYSCAPES_19.names, SIZE, "logits", count, PART_IMAGES, align_corners=True)
    encoded = [encode_logits("generated", [logits.numpy()], spec) for logits in make_logits(DISTINCT)]
    cache.mkdir(parents=True)
    for number in range(spec.parts):
        images, histograms = [], empty_histograms(spec.classes)
        for position in spec.positions(number):
            image: EncodedImage = encoded[position % DISTINCT]
            image.count_into(histograms)
            images.append(image._replace(planes=None, counts=None))
        write_part(cache, spec, number, [ids[position] for position in spec.positions(number)], images, histograms)
    selection, details = select_lse(CacheIndex(cache), 0.2, "paper")
    write_selection(folder / "runs" / "lse-1" / "selection" / "selection.json", selection, details)
    _write_predictions(folder / "runs" / "lse-1", ids)


def _write_predictions(run: Path, ids: list[str]) -> None:
    """predictions.h5 and per_image.csv in which each image is one of a few, with classes in blocks of 8x8 pixels."""
    names, generator = CITYSCAPES_19.names, np.random.default_rng(2)
    answers, confusions = [], []
    for _ in range(DISTINCT):
        truth_HW = generator.integers(0, 19, (SIZE[0] // 32, SIZE[1] // 32), np.uint8).repeat(32, 0).repeat(32, 1)
        label_HW = np.where(generator.random((SIZE[0] // 8, SIZE[1] // 8)).repeat(8, 0).repeat(8, 1) < 0.2, 0, truth_HW)
        entropy_HW = generator.random(SIZE, np.float32)
        answers.append(Answer(truth_HW, label_HW, label_HW, entropy_HW))
        confusions.append(confusion_matrix(truth_HW, label_HW, 19))
    with PredictionsWriter(run / "predictions.h5", len(ids), names) as writer:
        for position, image_id in enumerate(ids):
            writer.add(image_id, answers[position % DISTINCT])
    repeated = [confusions[position % DISTINCT] for position in range(len(ids))]
    scores = [
        score_image(image_id, repeated[position], answers[position % DISTINCT].entropy_hw)
        for position, image_id in enumerate(ids)
    ]
    write_scores(run / "per_image.csv", scores, names, repeated)


def _write_images(folder: Path, ids: list[str]) -> None:
    """A few PNGs of 1024x2048 with the detail of a photograph, and a manifest in which each image is one of them."""
    generator = np.random.default_rng(1)
    rows = []
    for number in range(DISTINCT):
        coarse = Image.fromarray(generator.integers(0, 256, (64, 128, 3), np.uint8)).resize((2048, 1024))
        noise = generator.normal(0, 4, (1024, 2048, 3))
        path = folder / f"input-{number}.png"
        Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(path, compress_level=4)
        rows.append((path.name, path.stat().st_size))
    lines = []
    for position, image_id in enumerate(ids):
        name, size = rows[position % DISTINCT]
        lines.append(line_of(ManifestRow(image_id, name, None, "", None, size, None, 1024, 2048)))
    for split in LAYERS:
        prepared = folder / "data" / "prepared" / split
        write_text(prepared / MANIFEST, "".join(lines))
        write_split(prepared, PreparedSplit(CITYSCAPES_19.names, size=None, crop=None, labels=None))


@contextmanager
def viewer(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`roundabout inspect` as a user starts it, and its address."""
    command = [sys.executable, "-m", "pipeline.cli", "inspect", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    found = re.search(r"http://\S+:\d+", server.stdout.readline())
    assert found is not None
    try:
        yield server, found[0]
    finally:
        server.terminate()
        server.wait(30)


def picture(client: httpx.Client, layer: str, image_id: str, split: str) -> float:
    """Seconds until a picture's bytes are there."""
    before = time.perf_counter()
    client.get(f"/picture/{layer}", params={"run": "lse-1", "image": image_id, "split": split}).raise_for_status()
    return time.perf_counter() - before


def megabytes(server: subprocess.Popen[str], field: str) -> float:
    """VmRSS or VmHWM of the server."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) / 1024


def measure(folder: Path, split: str) -> list[Row]:
    """First and next images of a fresh viewer, in a split."""
    begun = time.perf_counter()
    with viewer(folder) as (server, address), httpx.Client(base_url=address, timeout=120) as client:
        client.get("/").raise_for_status()
        started = time.perf_counter() - begun
        before = time.perf_counter()
        client.get("/api/workspace", params={"split": split}).raise_for_status()
        ids = [
            one["id"] for one in client.get("/api/gallery", params={"run": "lse-1", "split": split}).json()["images"]
        ]
        picture(client, "prediction", ids[0], split)
        first = time.perf_counter() - before
        last = LAYERS[split][-1]
        second = picture(client, last, ids[0], split)
        steps, small = [], 0.0
        with ThreadPoolExecutor(len(LAYERS[split])) as pool:  # a browser asks for the layers at once
            for number, image_id in enumerate(ids[1 : LOOKED_AT + 1]):
                before = time.perf_counter()
                list(pool.map(lambda layer, image_id=image_id: picture(client, layer, image_id, split), LAYERS[split]))
                steps.append(time.perf_counter() - before)
                small = megabytes(server, "VmRSS") if number == 9 else small
        large, peak = megabytes(server, "VmRSS"), megabytes(server, "VmHWM")
    median, slow = statistics.median(steps), sorted(steps)[int(0.95 * len(steps))]
    volume = 4 * 19 * SIZE[0] * SIZE[1] / 2**20
    return [
        Row(f"{split}: start of the program until the page answers", started, "s", None, None),
        Row(f"{split}: first picture: runs, order of all images, prediction", 1e3 * first, "ms", "≤ 300", first <= 0.3),
        Row(f"{split}: first {last} (for the mask, compiled loops are loaded)", 1e3 * second, "ms", None, None),
        Row(f"{split}: next image: {', '.join(LAYERS[split])}; median", 1e3 * median, "ms", "≤ 150", median <= 0.15),
        Row("the same, 95th percentile", 1e3 * slow, "ms", None, None),
        Row(f"{split}: memory after 10 images", small, "MB", None, None),
        Row(
            f"{split}: growth over {LOOKED_AT - 10} more",
            large - small,
            "MB",
            f"≤ {4 * volume:.0f}",
            large - small <= 4 * volume,
        ),
        Row(f"{split}: peak memory", peak, "MB", None, None),
    ]


def main() -> None:
    """Makes cache and predictions in a throw-away folder (2 GB), measures, publishes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=IMAGES)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with chdir(folder):
            make_workspace(folder, count)
        rows = [row for split in LAYERS for row in measure(folder, split)]
    low = f"{LOW_SIZE[0]}x{LOW_SIZE[1]}"
    if count != IMAGES:
        for row in rows:
            print(row)
        return
    publish("inspect", rows, f"{machine()}; {IMAGES} images of {SIZE[0]}x{SIZE[1]}, 19 classes, logits of {low}")


if __name__ == "__main__":
    main()
