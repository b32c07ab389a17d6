"""The probability cache against what people do instead: float32 volumes, eager torch, numpy masks, lists and sort.

Rivals run in turns with ours, in the same process, and medians of the ratios count; a speed row first sees to it that
both computed the same. ``--quick`` shrinks all counts, prints, and writes nothing.
"""

# N images, C class, H/W pixels, h/w network resolution

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from bench import cache_volumes as plain
from bench.cache_volumes import CLASSES, LOW_SIZE, SIZE, VOLUME_BYTES, Volumes, spec_of
from bench.table import Row, machine, publish
from pipeline.cache.dump import dump
from pipeline.cache.encode import Histograms, empty_histograms
from pipeline.cache.index import CacheIndex
from pipeline.cache.kernels import PlanesHW, Sums, empty_planes, empty_sums, measure_logits, window_of
from pipeline.cache.reader import CacheReader, Pixels
from pipeline.cache.reconstruct import reconstruct, source_of
from pipeline.cache.schema import CacheSpec, View
from pipeline.common.box import Box
from pipeline.methods.cbst import select_cbst
from pipeline.methods.cbst_thresholds import exact_thresholds, thresholds_from_histogram
from pipeline.methods.lse import select_lse
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import read_selection, write_selection
from pipeline.models.build import build_model

WHOLE = Box(0, 0, *SIZE)
PORTIONS = (0.2, 0.5)
DISTINCT = 8
"""Images that are repeated where hundreds are needed."""


class Counts(NamedTuple):
    """How much is measured."""

    images: int = 32
    forward_pairs: int = 3
    forward_images: int = 2
    sleeping_images: int = 192
    saved_images: int = 24
    repeats: int = 15
    many: int = 200
    very_many: int = 2000
    small_images: int = 2975
    network: str = "deeplabv2-resnet101"


QUICK = Counts(4, 1, 2, 8, 4, 3, 16, 32, 96, "small")


def in_turns(repeats: int, *runs: Callable[[int], object]) -> list[tuple[float, ...]]:
    """Seconds of every run, by repeat; every other repeat runs them in reverse, against drift."""
    seconds = []
    for repeat in range(repeats):
        taken = [0.0] * len(runs)
        for index in range(len(runs)) if repeat % 2 == 0 else reversed(range(len(runs))):
            before = time.perf_counter()
            runs[index](repeat)
            taken[index] = time.perf_counter() - before
        seconds.append(tuple(taken))
    return seconds


def median_ratio(seconds: list[tuple[float, ...]], over: int, under: int) -> float:
    """Median of the ratio of two runs."""
    return statistics.median(taken[over] / taken[under] for taken in seconds)


def median_milliseconds(seconds: list[tuple[float, ...]], index: int) -> float:
    """Median of one run."""
    return 1e3 * statistics.median(taken[index] for taken in seconds)


def write_cache(folder: Path, spec: CacheSpec, answer: Callable[[int], Tensor]) -> None:
    """Dump a cache; the network gets positions instead of images."""
    ids = [f"image-{image:05}" for image in range(spec.images)]
    network: Callable[[Tensor], list[Tensor]] = lambda positions_N: [answer(int(positions_N[0]))]  # noqa: E731
    dump(torch.tensor, ids, network, folder, spec, batch=1, average=lambda logits: torch.softmax(logits[0], dim=1))


def bytes_per_image(folder: Path, images: int) -> float:
    """Size of all parts over the number of images."""
    return sum(path.stat().st_size for path in folder.glob("part-*.h5")) / images


def stored(folder: Path, images: int) -> str:
    """Kilobytes per image of the larger datasets, in words."""
    sizes: dict[str, int] = {}
    for path in folder.glob("part-*.h5"):
        with h5py.File(path, "r") as file:

            def count(name: str, item: h5py.Dataset | h5py.Group) -> None:
                if isinstance(item, h5py.Dataset):
                    sizes[name] = sizes.get(name, 0) + item.id.get_storage_size()

            file.visititems(count)
    return ", ".join(f"{name} {size / images / 1e3:.0f}" for name, size in sizes.items() if size > 1000 * images)


# --------------------------------------------------------------------------------------------------- size, differences


def size_rows(folder: Path, rough: Path, probabilities: Path, images: int) -> list[Row]:
    """Bytes of the three caches."""
    ours, ours_rough, volume = (bytes_per_image(path, images) / 1e6 for path in (folder, rough, probabilities))
    ratio = VOLUME_BYTES / 1e6 / ours
    return [
        Row("bytes of an image, profile logits", ours, "MB", "≤ 0.70", ours <= 0.70),
        Row("fp32 volume over that", ratio, "×", "≥ 60", ratio >= 60),
        Row(
            f"bytes of an image, profile logits, low-resolution noise {plain.ROUGH_NOISE}", ours_rough, "MB", None, None
        ),
        Row("bytes of an image, profile probabilities", volume, "MB", "≤ 3.5", volume <= 3.5),
    ]


class PlainAnswers(NamedTuple):
    """What float32 volumes answer about all images."""

    label_NHW: list[np.ndarray]
    threshold_PC: list[np.ndarray]
    """CBST's, by portion."""
    pixel_count_NC: np.ndarray
    confidence_sum_NC: np.ndarray
    entropy_sum_NC: np.ndarray


def plain_answers(volumes: Volumes, images: int) -> PlainAnswers:
    """One naive pass over the volumes."""
    labels, confidences, sums = [], [], []
    for image in range(images):
        label_HW, confidence_HW, _, of_image = plain.plain_statistics(volumes.volume(image))
        labels.append(label_HW.astype(np.uint8))
        confidences.append(confidence_HW)
        sums.append(of_image)
    thresholds: list[list[float]] = [[] for _ in PORTIONS]
    for label in range(CLASSES):
        of_class = np.concatenate([values[mask == label] for values, mask in zip(confidences, labels, strict=True)])
        for row, portion in enumerate(PORTIONS):
            thresholds[row].append(plain.plain_threshold(of_class, portion))
    return PlainAnswers(
        labels,
        [np.array(values) for values in thresholds],
        np.array([of_image.pixel_count_C for of_image in sums]),
        np.array([of_image.confidence_sum_C for of_image in sums]),
        np.array([of_image.entropy_sum_C for of_image in sums]),
    )


def difference_rows(name: str, volumes: Volumes, folder: Path, images: int) -> list[Row]:
    """Pixels that the cache answers otherwise than the volumes do, through the whole way to a pseudo-label."""
    reader, expected = CacheReader(folder), plain_answers(volumes, images)
    wrong_labels = 0
    for image, label_HW in enumerate(expected.label_NHW):
        wrong_HW = (reader.pixels(image).label_HW.numpy() != label_HW) | (reader.label(image) != label_HW)
        wrong_labels += int(wrong_HW.sum())
    rows = [Row(f"{name}: arg-max differs", wrong_labels, "pixels", "0", wrong_labels == 0)]
    with tempfile.TemporaryDirectory() as scratch:
        destination = Path(scratch) / "selection.json"
        selections = []
        for portion in PORTIONS:
            write_selection(destination, *select_cbst(CacheReader(folder), portion, "paper"))
            selections.append(read_selection(destination))
    chosen, _ = select_lse(CacheIndex(folder), 0.5, "paper")
    wrong_P = np.zeros(len(PORTIONS), np.int64)
    for image in range(images):
        prob_CHW = volumes.volume(image)
        for row, selection in enumerate(selections):
            label_HW = plain.plain_cbst_label(prob_CHW, expected.threshold_PC[row])
            wrong_P[row] += (pseudo_label(reader, selection, reader.image_ids[image]) != label_HW).sum()
    goal = 0.0 if volumes.profile == "logits" else 1e-3
    for portion, wrong in zip(PORTIONS, wrong_P, strict=True):
        percent = 100 * int(wrong) / (images * SIZE[0] * SIZE[1])
        goal_text = f"≤ {goal:g}" if goal else "0"
        rows.append(
            Row(f"{name}: CBST label differs, p = {portion}", percent, "% of pixels", goal_text, percent <= goal)
        )
    numbers, threshold_C = plain.plain_lse(
        expected.pixel_count_NC, expected.confidence_sum_NC, expected.entropy_sum_NC, 0.5
    )
    same = chosen.images == [reader.image_ids[number] for number in numbers]
    distance = float(np.abs(chosen.threshold_C - threshold_C).max()) if same else float("inf")
    rows.append(Row(f"{name}: LSE selects the same, thresholds within", distance, "", "≤ 1e-06", distance <= 1e-6))
    return rows


# ------------------------------------------------------------------------------------------------------- dump overhead


def overhead(
    network: Callable[[Tensor], Tensor], spec: CacheSpec, images: Tensor, pairs: int
) -> list[tuple[float, ...]]:
    """Seconds of dumping and of the forward passes alone."""

    def load(positions: list[int]) -> Tensor:
        return images[[position % len(images) for position in positions]]

    # The rival loads in a thread, too: torch's threads wait for each other without spinning as soon as a second thread
    # has some of its own, and on a busy machine that alone makes a forward pass a fourth faster.
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(1) as loader:

        @torch.inference_mode()
        def forward(_: int) -> None:
            for position in range(spec.images):
                network(loader.submit(load, [position]).result())

        def dumping(repeat: int) -> None:
            ids = [str(position) for position in range(spec.images)]
            dump(load, ids, lambda image_N3HW: [network(image_N3HW)], Path(scratch) / str(repeat), spec, batch=1)

        forward(0)  # warm-up; and the loader's threads are there
        return in_turns(pairs, dumping, forward)


def network_rows(counts: Counts) -> list[Row]:
    """The overhead over a real network on this CPU."""
    model = build_model(counts.network, CLASSES).eval()
    images = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        # random weights answer logits around 1e8, which no encoder ever meets: as large as the generated ones instead
        factor = 15 / model(model.preprocessing(images[:1]))[0].std()

    def network(image_N3HW: Tensor) -> Tensor:
        return model(model.preprocessing(image_N3HW))[0] * factor

    seconds = overhead(network, spec_of("logits", counts.forward_images), images, counts.forward_pairs)
    ratio = median_ratio(seconds, 0, 1)
    forward = median_milliseconds(seconds, 1) / counts.forward_images
    return [
        Row(f"{counts.network} on the CPU, forward only, per image", forward / 1e3, "s", None, None),
        Row(f"dump over forward only: {counts.network} on the CPU", ratio, "×", "≤ 1.05", ratio <= 1.05),
    ]


def sleeping_rows(low_NChw: Tensor, counts: Counts) -> list[Row]:
    """The overhead where the CPU is free during the forward pass; beside it, volumes saved in line."""
    rows, answers = [], [low_Chw[None] for low_Chw in low_NChw]
    for milliseconds in (50, 10):

        def network(position_N: Tensor, pause: float = milliseconds / 1e3) -> Tensor:
            time.sleep(pause)
            return answers[int(position_N)]

        positions = torch.arange(len(low_NChw))
        seconds = overhead(network, spec_of("logits", counts.sleeping_images), positions, 3)
        ratio = median_ratio(seconds, 0, 1)
        goal, met = ("≤ 1.10", ratio <= 1.10) if milliseconds == 50 else (None, None)
        rows.append(Row(f"dump over forward only: {milliseconds} ms asleep", ratio, "×", goal, met))
        ratio = saving_ratio(network, counts.saved_images)
        rows.append(Row(f"np.save of fp32 volumes over forward only: {milliseconds} ms asleep", ratio, "×", None, None))
    return rows


@torch.inference_mode()
def saving_ratio(network: Callable[[Tensor], Tensor], images: int) -> float:
    """Up-sample, softmax and np.save between the forward passes, over forward only."""

    def forward(_: int) -> None:
        for image in range(images):
            network(torch.tensor([image % 4]))

    with tempfile.TemporaryDirectory() as scratch:

        def saving(repeat: int) -> None:
            for image in range(images):
                prob_CHW = plain.eager(network(torch.tensor([image % 4]))[0])
                np.save(Path(scratch) / f"{repeat}-{image}.npy", prob_CHW.numpy())

        return median_ratio(in_turns(3, saving, forward), 0, 1)


# ------------------------------------------------------------------------------------------------ reading, reconstruct


def reconstruct_rows(low_NChw: Tensor, counts: Counts) -> list[Row]:
    """Full-size probabilities from logits in memory, against eager torch with as many threads."""
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:

        def ours(repeat: int) -> np.ndarray:
            low_Chw = low_NChw[repeat % len(low_NChw)].numpy()
            prob_CHW = np.empty((CLASSES, *SIZE), np.float32)
            reconstruct([(View(), low_Chw, source_of(LOW_SIZE, SIZE, True, WHOLE, False))], pool, prob_CHW=prob_CHW)
            return prob_CHW

        def rival(repeat: int) -> Tensor:
            return plain.eager(low_NChw[repeat % len(low_NChw)])

        for image in range(3):
            np.testing.assert_array_equal(ours(image), rival(image).numpy())
        seconds = in_turns(counts.repeats, ours, rival)
    ratio = median_ratio(seconds, 1, 0)
    return [
        Row(f"rebuild an image, {threads} threads", median_milliseconds(seconds, 0), "ms", None, None),
        Row(f"eager torch, {threads} threads", median_milliseconds(seconds, 1), "ms", None, None),
        Row("rebuild: eager torch over ours", ratio, "×", "≥ 3", ratio >= 3),
    ]


def window_rows(folder: Path, counts: Counts) -> list[Row]:
    """Reading random windows of a fourth of the image, against the whole image."""
    reader, random = CacheReader(folder), np.random.default_rng(0)
    height, width = SIZE[0] // 2, SIZE[1] // 2
    boxes = [
        Box(int(random.integers(SIZE[0] - height + 1)), int(random.integers(SIZE[1] - width + 1)), height, width)
        for _ in range(4 * counts.repeats)
    ]
    for repeat, box in enumerate(boxes[:3]):
        whole, window = reader.pixels(repeat), reader.pixels(repeat, box)
        for of_whole, of_window in zip(whole, window, strict=True):
            assert torch.equal(box.of(of_whole), of_window)
    seconds = in_turns(
        len(boxes),
        lambda repeat: reader.pixels(repeat % len(reader), boxes[repeat]),
        lambda repeat: reader.pixels(repeat % len(reader)),
    )
    ratio = median_ratio(seconds, 0, 1)
    return [
        Row("read a whole image, with planes", median_milliseconds(seconds, 1), "ms", None, None),
        Row(f"read a {height}x{width} window over the whole", ratio, "×", "≤ 0.35", ratio <= 0.35),
    ]


# ---------------------------------------------------------------------------------------------------------- statistics


def fused_pass(low_Chw: np.ndarray, histograms: Histograms) -> tuple[PlanesHW, Sums]:
    """Planes, sums and histograms of an image in one thread, as the dump takes them."""
    source = source_of(LOW_SIZE, SIZE, True, WHOLE, False)
    planes, sums = empty_planes(SIZE), empty_sums(CLASSES)
    measure_logits(window_of(low_Chw, source.rows, source.columns), planes=planes, sums=sums)
    histograms.add_pixels(planes)
    return planes, sums


def statistics_rows(low_NChw: Tensor, counts: Counts) -> list[Row]:
    """The fused pass from logits, against numpy on volumes that are there already."""
    histograms = empty_histograms(CLASSES)
    volume_NCHW = [plain.eager(low_Chw).numpy() for low_Chw in low_NChw[:DISTINCT]]
    for low_Chw, prob_CHW in zip(low_NChw[:2].numpy(), volume_NCHW[:2], strict=True):
        planes, sums = fused_pass(low_Chw, histograms)
        label_HW, confidence_HW, entropy_HW, expected = plain.plain_statistics(prob_CHW)
        np.testing.assert_array_equal(planes.label_HW, label_HW)
        np.testing.assert_array_equal(planes.confidence_HW, confidence_HW)
        np.testing.assert_array_equal(sums.pixel_count_C, expected.pixel_count_C)
        np.testing.assert_allclose(sums.confidence_sum_C, expected.confidence_sum_C, rtol=1e-6)
        np.testing.assert_allclose(sums.entropy_sum_C, expected.entropy_sum_C, rtol=1e-5)
        centroid_CC = sums.probability_sum_CC / np.maximum(sums.pixel_count_C, 1)[:, None]
        np.testing.assert_allclose(centroid_CC, expected.centroid_CC, rtol=1e-3, atol=1e-7)  # numpy adds up in float32
        for label in np.flatnonzero(sums.pixel_count_C):
            mean_C = prob_CHW[:, label_HW == label].mean(axis=1, dtype=np.float64)
            np.testing.assert_allclose(centroid_CC[label], mean_C, rtol=1e-5, atol=1e-12)
        least_C, largest_C, weighted_CC, _, entropy_CB = plain.plain_rest(prob_CHW, label_HW, confidence_HW, entropy_HW)
        np.testing.assert_allclose(sums.entropy_min_C, least_C, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(sums.entropy_max_C, largest_C, rtol=1e-5)
        np.testing.assert_allclose(sums.weighted_probability_sum_CC, weighted_CC, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(entropy_CB.sum(axis=1), sums.pixel_count_C)

    def everything(repeat: int) -> None:
        prob_CHW = volume_NCHW[repeat % len(volume_NCHW)]
        label_HW, confidence_HW, entropy_HW, _ = plain.plain_statistics(prob_CHW)
        plain.plain_rest(prob_CHW, label_HW, confidence_HW, entropy_HW)

    seconds = in_turns(
        counts.repeats,
        lambda repeat: fused_pass(low_NChw[repeat % len(volume_NCHW)].numpy(), histograms),
        lambda repeat: plain.plain_statistics(volume_NCHW[repeat % len(volume_NCHW)]),
        everything,
    )
    ratio = median_ratio(seconds, 1, 0)
    return [
        Row("statistics of an image, fused, one thread", median_milliseconds(seconds, 0), "ms", None, None),
        Row("counts, sums and centroids by numpy from a volume", median_milliseconds(seconds, 1), "ms", None, None),
        Row("statistics: numpy over fused", ratio, "×", "≥ 9", ratio >= 9),
        Row("statistics: all of them by numpy over fused", median_ratio(seconds, 2, 0), "×", None, None),
    ]


# --------------------------------------------------------------------------------------------------- CBST's thresholds


def distinct_planes(low_NChw: Tensor) -> list[PlanesHW]:
    """Planes of the images that are repeated."""
    histograms = empty_histograms(CLASSES)
    return [fused_pass(low_Chw, histograms)[0] for low_Chw in low_NChw[:DISTINCT].numpy()]


def cbst_rows(low_NChw: Tensor, folder: Path, counts: Counts) -> list[Row]:
    """Thresholds of many images: histograms, the exact second pass, and lists."""
    planes, portion, many = distinct_planes(low_NChw), 0.5, counts.many
    write_cache(folder, spec_of("logits", many), lambda image: low_NChw[image % DISTINCT][None])
    histograms, lists, before = empty_histograms(CLASSES), plain.ConfidenceLists(), own_memory("VmRSS")
    counting = in_turns(
        many,
        lambda image: histograms.add_pixels(planes[image % DISTINCT]),
        lambda image: lists.add(*planes[image % DISTINCT][:2]),
    )
    answers: dict[str, np.ndarray] = {}

    def choose(name: str, thresholds: Callable[[], np.ndarray]) -> float:
        start = time.perf_counter()
        answers[name] = thresholds()
        return time.perf_counter() - start

    rival_memory = own_memory("VmRSS") - before
    sorting = choose("lists", lambda: lists.thresholds(portion))
    choosing = choose("histogram", lambda: thresholds_from_histogram(CacheIndex(folder), portion, "paper"))
    exact = choose("exact", lambda: exact_thresholds(CacheReader(folder), portion, "paper"))
    check_thresholds(answers, lists, planes, folder, many // DISTINCT, portion)
    assert np.array_equal(histograms.confidence_CB, CacheIndex(folder).histogram("confidence"))
    ours = 1e3 * (sum(taken[0] for taken in counting) + choosing) / many
    second = ours + 1e3 * exact / many
    rival = 1e3 * (sum(taken[1] for taken in counting) + sorting) / many
    return [
        Row(f"CBST thresholds of {many} images from histograms, per image", ours, "ms", None, None),
        Row("exact, with the second pass over the cache, per image", second, "ms", None, None),
        Row("lists of every 4th pixel, and sort, per image", rival, "ms", None, None),
        Row("CBST thresholds: lists over histograms", rival / ours, "×", "≥ 15", rival / ours >= 15),
        Row("CBST thresholds: lists over histograms and second pass", rival / second, "×", None, None),
        Row(f"memory of the lists, {many} images", rival_memory, "MB", None, None),
    ]


def check_thresholds(
    answers: dict[str, np.ndarray],
    lists: plain.ConfidenceLists,
    planes: list[PlanesHW],
    folder: Path,
    copies: int,
    portion: float,
) -> None:
    """Histogram within a bin of the exact ones, these those of numpy's sort, and with the authors' rule the lists'."""
    assert (answers["exact"] < 1 - 2**-9).any(), "no threshold needs the second pass: it was not measured"
    below = answers["exact"] - answers["histogram"]
    assert below.min() >= 0, below
    assert below.max() <= 1.6e-5, below
    for label in range(CLASSES):
        of_class = np.concatenate([plane.confidence_HW[plane.label_HW == label] for plane in planes])
        assert answers["exact"][label] == plain.plain_threshold(np.repeat(of_class, copies), portion), label
    for other in PORTIONS:
        by_lists = answers["lists"] if other == portion else lists.thresholds(other)
        np.testing.assert_array_equal(exact_thresholds(CacheReader(folder), other, "author"), by_lists)


def own_memory(field: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at its peak."""
    match = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match.group(1)) * 1024 / 1e6


def report_memory(images: int) -> None:
    """Prints by how much counting so many images and choosing their thresholds, both ways, lets the process grow."""
    planes = distinct_planes(plain.make_logits(DISTINCT))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = own_memory("VmRSS")
    histograms = empty_histograms(CLASSES)
    for image in range(images):
        histograms.add_pixels(planes[image % DISTINCT])
    index = SimpleNamespace(histogram=lambda _: histograms.confidence_CB.astype(np.int64))

    def pixels(image: int, volume: bool) -> Pixels:
        assert not volume
        return Pixels(None, *map(torch.from_numpy, planes[image % DISTINCT]))

    class Reader(SimpleNamespace):
        def __len__(self) -> int:
            return images

    reader = Reader(spec=spec_of("logits", images), index=index, pixels=pixels)
    coarse = thresholds_from_histogram(index, 0.5, "paper")  # type: ignore[arg-type]
    exact = exact_thresholds(reader, 0.5, "paper")  # type: ignore[arg-type]
    assert (exact >= coarse).all()
    print(own_memory("VmHWM") - before)


def memory_rows(counts: Counts) -> list[Row]:
    """Growth of a fresh process, for many and for ten times as many images."""
    grown = []
    for images in (counts.many, counts.very_many):
        command = [sys.executable, "-m", "bench.cache", "--memory", str(images)]
        # large arrays go back to the system when they are freed, so that none before the start hides one of after it
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        grown.append(float(answer.stdout.split()[-1]))
    difference = grown[1] - grown[0]
    return [
        Row(f"memory of both passes, {counts.many} images", grown[0], "MB", "≤ 120", grown[0] <= 120),
        Row(f"memory of both passes, {counts.very_many} images", grown[1], "MB", "≤ 120", grown[1] <= 120),
        Row("difference of the two", difference, "MB", "≤ 5", abs(difference) <= 5),
    ]


# ----------------------------------------------------------------------------------------------------- LSE, all images

_SELECT_LSE = """
import sys
from pathlib import Path
from pipeline.methods.selection_file import write_selection
from pipeline.cache.index import CacheIndex
from pipeline.methods.lse import select_lse
write_selection(Path(sys.argv[2]), *select_lse(CacheIndex(Path(sys.argv[1])), 0.5, "paper"))
"""


def lse_rows(folder: Path, counts: Counts) -> list[Row]:
    """A whole selection in a fresh process."""
    generator = torch.Generator().manual_seed(0)
    low_NChw = 5 * torch.randn((64, CLASSES, 5, 9), generator=generator)
    offset_NC11 = 3 * torch.randn((counts.small_images, CLASSES, 1, 1), generator=generator)
    spec = spec_of("logits", counts.small_images, (32, 64))
    write_cache(folder / "cache", spec, lambda image: (low_NChw[image % 64] + offset_NC11[image])[None])
    command = [sys.executable, "-c", _SELECT_LSE, str(folder / "cache"), str(folder / "selection.json")]
    seconds = in_turns(3, lambda _: subprocess.run(command, check=True))
    index, selection = CacheIndex(folder / "cache"), read_selection(folder / "selection.json")
    names = ("pixel_count", "confidence_sum", "entropy_sum")
    numbers, threshold_C = plain.plain_lse(*(index.statistic(name) for name in names), 0.5)
    assert selection.images == [index.image_ids[number] for number in numbers]
    np.testing.assert_allclose(selection.threshold_C, threshold_C, atol=1e-12)
    taken = median_milliseconds(seconds, 0) / 1e3
    return [Row(f"LSE selection of {counts.small_images} images, fresh process", taken, "s", "≤ 10", taken <= 10)]


# ---------------------------------------------------------------------------------------------------------- everything


def measure(counts: Counts, folder: Path) -> tuple[list[Row], str]:
    """All rows, and what was measured on, in words."""
    low_NChw, images = plain.make_logits(max(counts.images, DISTINCT)), counts.images
    rough = plain.from_logits(plain.make_logits(images, plain.ROUGH_NOISE))
    generated = {"logits": plain.from_logits(low_NChw), "probabilities": plain.with_full_size_noise(low_NChw)}
    notes = [
        f"{counts.network} has random weights",
        f"{counts.many} and more images are {DISTINCT} distinct ones repeated",
    ]
    write_cache(folder / "rough", spec_of("logits", images), rough.answer)
    for name, volumes in generated.items():
        write_cache(folder / name, spec_of(volumes.profile, images), volumes.answer)
        notes.append(f"{name}: {plain.described(volumes, min(8, images))}; kB: {stored(folder / name, images)}")
    notes.append(f"low-resolution noise {plain.ROUGH_NOISE}: {plain.described(rough, min(8, images))}")
    measurements: list[Callable[[], list[Row]]] = [
        lambda: size_rows(folder / "logits", folder / "rough", folder / "probabilities", images),
        *(lambda n=name, v=volumes: difference_rows(n, v, folder / n, images) for name, volumes in generated.items()),
        lambda: reconstruct_rows(low_NChw, counts),
        lambda: window_rows(folder / "logits", counts),
        lambda: statistics_rows(low_NChw, counts),
        lambda: sleeping_rows(low_NChw[:DISTINCT], counts),
        lambda: network_rows(counts),
        lambda: memory_rows(counts),
        lambda: lse_rows(folder / "small", counts),
        lambda: cbst_rows(low_NChw, folder / "many", counts),
    ]
    rows = []
    for measurement in measurements:
        before = time.perf_counter()
        for row in measurement():
            print(f"{row.row}: {row.value:.4g} {row.unit}", flush=True)
            rows.append(row)
        print(f"  ({time.perf_counter() - before:.0f} s)", flush=True)
    return rows, "; ".join(notes)


def main() -> None:
    """Measures, and publishes unless it was to be quick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few images, no table, no file: does everything run?")
    parser.add_argument("--memory", type=int, metavar="N", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory is not None:
        report_memory(arguments.memory)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows, note = measure(QUICK if arguments.quick else Counts(), Path(folder))
    note += f"; load average at the end {os.getloadavg()[2]:.1f}"
    if arguments.quick:
        print(note)
        return
    publish("cache", rows, f"{machine()}; {note}")


if __name__ == "__main__":
    main()
