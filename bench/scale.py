"""Time and peak memory against the number of images: index, cache, statistics, selection of each method, first view.

`python -m bench.scale [N …]`, by default 1,000, 10,000 and 100,000 simulated images. Image files are hard links; the
parts of the cache hold one small image again and again, under other ids. Each step is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bench.data import _link_files
from bench.pipeline import tiny_params
from bench.table import RESULTS, Row, machine, publish
from bench.workspace import ROOT, write_params
from pipeline.cache.encode import empty_histograms, encode_logits
from pipeline.cache.index import CacheIndex
from pipeline.cache.partial_index import PartialIndex
from pipeline.cache.parts import write_part
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheSpec
from pipeline.common.files import write_text
from pipeline.common.labels import CITYSCAPES_19
from pipeline.datasets.entries import entries, label_reader, label_table
from pipeline.datasets.index import index_split
from pipeline.methods.of_round import select_for_round
from pipeline.methods.registry import METHODS
from pipeline.params import FolderSplit, read_params
from pipeline.report.charts.lines import line_chart

SIZES = (1_000, 10_000, 100_000)
SIZE, LOW_SIZE, PART = (32, 64), (4, 8), 256
GROWTH = 1.3
"""Time per added image may be so many times that of the smaller size: linear, but for noise."""
GOAL_KB = 8.0
"""Of memory per added image: an id and its statistics, which a selection holds; pixels would be 156 kB."""


def link_images(folder: Path, images: int) -> None:
    """Pairs of one image and label under many names."""
    _link_files(folder / "data", images)


def index(folder: Path, images: int) -> None:
    """What prepare does with a split."""
    split = FolderSplit(layout="folder", root=str(folder / "data"), class_map={0: "road", 1: "sky"})
    index_split(
        entries(split),
        label_table(split, CITYSCAPES_19),
        folder / "manifest.jsonl",
        needs_labels=True,
        crop=None,
        workers=2,
        progress=False,
        read=label_reader(split),
    )


def write_parts(folder: Path, images: int) -> None:
    """All parts of a cache, by two writers one after the other, the second of every other part."""
    names = CITYSCAPES_19.names
    spec = CacheSpec("scale", names, SIZE, "logits", images, PART, align_corners=True)
    logits_1Chw = 4 * torch.randn((1, len(names), *LOW_SIZE), generator=torch.Generator().manual_seed(1))
    image = encode_logits("", [logits_1Chw[0].numpy()], spec)
    for writer in range(2):
        for number in range(writer, spec.parts, 2):
            positions, counts = spec.positions(number), empty_histograms(spec.classes)
            for _ in positions:
                image.count_into(counts)
            ids = [f"{position:07}" for position in positions]
            write_part(folder / "cache", spec, number, ids, [image] * len(ids), counts)


def statistics(folder: Path, images: int) -> None:
    """Totals and histograms over the whole cache."""
    cache = CacheIndex(folder / "cache")
    assert cache.total("pixel_count").sum() == images * SIZE[0] * SIZE[1]
    cache.histogram("confidence")
    cache.histogram("entropy")


def first_view(folder: Path, images: int) -> None:
    """What the page needs for its first picture."""
    cache = PartialIndex(folder / "cache")
    assert len(cache.statistic("entropy_mean")) == images
    CacheReader(folder / "cache", index=cache).pixels(0)


def selection_of(method: str) -> Callable[[Path, int], None]:
    """Return the step in which a method selects."""

    def select(folder: Path, images: int) -> None:
        path = folder / f"{method}.yaml"
        raw = tiny_params()
        entry = {"method": method, "init": "source-only"}
        if method in ("lse", "cbst"):
            entry["portion"] = 0.2  # type: ignore[assignment]
        raw.setdefault(method, {"compat": "paper"})
        raw["rounds"] = {"one": entry}
        path.mkdir(exist_ok=True)
        write_params(path, raw)
        params = read_params(path / "params.yaml")
        select_for_round(params, params.rounds["one"], folder / "cache", folder / "no-prior.h5")

    return select


STEPS: dict[str, Callable[[Path, int], None]] = {
    "files (not measured)": link_images,
    "index of prepare": index,
    "parts of the cache": write_parts,
    "statistics": statistics,
    "first view of the page": first_view,
    **{f"selection, {name}": selection_of(name) for name in METHODS if name in ("lse", "cbst", "cada", "intrada")},
}


def measured(step: str, folder: Path, images: int) -> tuple[float, float]:
    """Return seconds and peak megabytes of a step, in a process of its own."""
    command = [sys.executable, "-m", "bench.scale", "--step", step, "--folder", str(folder), str(images)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, answer.stdout.split()[-2:])
    return seconds, megabytes


def child(step: str, folder: Path, images: int) -> None:
    """Run a step and print its seconds and peak megabytes."""
    began = time.perf_counter()
    STEPS[step](folder, images)
    seconds = time.perf_counter() - began
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert peak is not None
    print(seconds, int(peak[1]) / 1024)


def rows_of(step: str, figures: dict[int, tuple[float, float]]) -> list[Row]:
    """Return the rows of one step: both figures of each size, and how they grow from the last but one to the last."""
    rows = [
        Row(f"{step}, {images:,} images: {what}", values[number], unit, None, None)
        for images, values in figures.items()
        for number, (what, unit) in enumerate((("time", "s"), ("peak memory", "MB")))
    ]
    if len(figures) < 2:
        return rows
    (few, (short, small)), (many, (long, large)) = list(figures.items())[-2:]
    times = long / short / (many / few)
    added = 1024 * (large - small) / (many - few)
    return [
        *rows,
        Row(f"{step}: growth of time over growth of images", times, "", f"≤ {GROWTH}", times <= GROWTH),
        Row(f"{step}: memory per added image", added, "kB", f"≤ {GOAL_KB:.0f}", added <= GOAL_KB),
    ]


def charts(figures: dict[str, dict[int, tuple[float, float]]]) -> str:
    """Return both plots as one page: microseconds an image, and megabytes, against the number of images."""
    time_of = {step: [[(float(n), 1e6 * of[n][0] / n) for n in of]] for step, of in figures.items()}
    memory_of = {step: [[(float(n), megabytes) for n, (_, megabytes) in of.items()]] for step, of in figures.items()}
    return line_chart("microseconds an image", time_of, unit="images") + line_chart(
        "peak megabytes", memory_of, unit="images"
    )


def main() -> None:
    """Measure all steps at all sizes, and write bench/results/scale.json and scale.html."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=int, nargs="*", default=SIZES)
    parser.add_argument("--step")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        child(arguments.step, arguments.folder, arguments.images[0])
        return
    figures: dict[str, dict[int, tuple[float, float]]] = {step: {} for step in STEPS}
    load = os.getloadavg()[0]
    for images in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            for step in STEPS:
                figures[step][images] = measured(step, Path(folder), images)
                print(f"{images:>9,} {step}: {figures[step][images][0]:.2f} s, {figures[step][images][1]:.0f} MB")
    del figures["files (not measured)"]
    rows = [row for step, of in figures.items() for row in rows_of(step, of)]
    note = f"{machine()}; images of {SIZE[0]}x{SIZE[1]}, parts of {PART}; load {load:.1f} when it began"
    publish("scale", rows, note)
    write_text(RESULTS / "scale.html", charts(figures))


if __name__ == "__main__":
    main()
