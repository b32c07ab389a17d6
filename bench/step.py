"""A training step of the one loop against the plain textbook loop: same network, same batches, in turns.

The rival is what a tutorial writes: zero_grad, forward, cross entropy, backward, clip, step. Both load through the same
prefetcher, so that the ratio shows what the loop itself adds: objectives as terms, checks for NaN, curves, checkpoints.
The textbook loop also shows what a step waits for where images are changed as strongly as they may be by name.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from bench.data import timed
from bench.table import Row, machine, publish
from pipeline.common.device import Device
from pipeline.models.base import SegmentationModel, full_size
from pipeline.models.build import build_model, set_normalisation
from pipeline.params import Augmentation, Optimiser, Schedule
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt, Stream, prefetched
from pipeline.training.loop import Plan, train
from pipeline.training.objectives import supervised
from pipeline.training.optimisation import make_optimiser
from pipeline.training.photometric import photometric_of

STEPS, REPEATS, BATCH, SIZE, CLASSES = 24, 5, 6, (128, 256), 19
SMALL = (80, 160)
LOADERS = 2
STRONG = Augment(True, (0.75, 2.0), 0.0, photometric_of(Augmentation(photometric="strong")))
OPTIMISER = Optimiser(name="adamw", learning_rate=1e-4)


def random_samples(size: tuple[int, int], augment: Augment | None = None) -> SampleAt:
    """Random images with random labels, changed where that is asked for."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        image_HW3 = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
        label_HW = generator.integers(0, CLASSES, size, dtype=np.uint8)
        return str(index), *((image_HW3, label_HW) if augment is None else augment(image_HW3, label_HW, generator))

    return sample_at


def new_model() -> SegmentationModel:
    """The demo's network."""
    model = build_model("small", CLASSES, encoder="efficientnet-lite0")
    set_normalisation(model, "frozen")
    return model


def textbook(model: SegmentationModel, stream: Stream) -> list[float]:
    """The plain loop; it returns the seconds that each step waited for its batch."""
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    waits: list[float] = []
    for batch in timed(prefetched([stream], 0, STEPS, LOADERS), waits):
        labelled = batch["source"]
        optimiser.zero_grad()
        logits_NChw, _ = model(model.preprocessing(labelled.image_N3HW))
        loss = functional.cross_entropy(
            full_size(model, logits_NChw, labelled.label_NHW.shape[1:]), labelled.label_NHW.long(), ignore_index=255
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        loss.item()
    return waits


def ours(model: SegmentationModel, stream: Stream, folder: Path) -> None:
    """The project's loop, with its checks, curves and one checkpoint."""
    plan = Plan(STEPS, Schedule(), 5.0, 50, 10, LOADERS, False)
    computer = Device(torch.device("cpu"), False)
    optimiser = make_optimiser(model.parameter_groups(), OPTIMISER)
    train(model, supervised, [stream], optimiser, plan, computer, folder, name="bench", seed=1)


def seconds_per_step(run) -> float:  # type: ignore[no-untyped-def]
    """Wall time of a run divided by its steps."""
    before = time.perf_counter()
    run()
    return (time.perf_counter() - before) / STEPS


def compared(programs: dict[str, Callable[[Path], object]]) -> list[Row]:
    """Return rows of two programs by name, the rival first, that run in turns, each in an empty folder."""
    pairs = []
    for _ in range(REPEATS):
        seconds = []
        for program in programs.values():
            with tempfile.TemporaryDirectory() as folder:
                seconds.append(seconds_per_step(lambda program=program, folder=folder: program(Path(folder))))
        pairs.append(seconds)
    ratio = statistics.median(own / rival for rival, own in pairs)
    medians = [1e3 * statistics.median(values) for values in zip(*pairs, strict=True)]
    rows = [Row(name, median, "ms", None, None) for name, median in zip(programs, medians, strict=True)]
    return [*rows, Row("ratio, median of pairs", ratio, "×", "≤ 1.05", ratio <= 1.05)]


def wait_row(size: tuple[int, int]) -> Row:
    """The share of a step that it waits for strongly changed images; the wait for the first batch does not count."""
    stream = Stream("source", random_samples(size, STRONG), 64, BATCH, 1)
    before = time.perf_counter()
    first, *waits = textbook(new_model(), stream)
    share = 100 * sum(waits) / (time.perf_counter() - before - first)
    what = f"data wait of a step, photometric: strong, {size[0]}x{size[1]}, {LOADERS} loader threads"
    return Row(what, share, "%", "≤ 5", share <= 5)


def main() -> None:
    """Measures both in turns and publishes medians, the median of the ratios and the waits."""
    stream = Stream("source", random_samples(SIZE), 64, BATCH, 1)
    textbook(new_model(), stream)  # warm-up: thread pools, kernels
    rows = [
        *compared(
            {
                "textbook loop, step": lambda _: textbook(new_model(), stream),
                "roundabout loop, step": lambda folder: ours(new_model(), stream, folder),
            }
        ),
        *(wait_row(size) for size in (SIZE, SMALL)),
    ]
    publish("step", rows, f"{machine()}; {REPEATS} pairs of {STEPS} steps, batch {BATCH} at {SIZE[0]}x{SIZE[1]}")


if __name__ == "__main__":
    main()
