"""A training step of the one loop against the plain textbook loop: same network, same batches, in turns.

The rival is what a tutorial writes: zero_grad, forward, cross entropy, backward, clip, step. Both load through the same
prefetcher, so that the ratio shows what the loop itself adds: objectives as terms, checks for NaN, curves, checkpoints.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from bench.table import Row, machine, publish
from pipeline.common.device import Device
from pipeline.models.base import SegmentationModel, full_size
from pipeline.models.build import build_model, set_normalisation
from pipeline.params import Optimiser, Schedule
from pipeline.training.batches import Sample, Stream, prefetched
from pipeline.training.loop import Plan, train
from pipeline.training.objectives import supervised
from pipeline.training.optimisation import make_optimiser

STEPS, REPEATS, BATCH, SIZE, CLASSES = 24, 5, 6, (128, 256), 19
OPTIMISER = Optimiser(name="adamw", learning_rate=1e-4)


def random_sample(index: int, generator: np.random.Generator) -> Sample:
    """A random image with a random label."""
    image_HW3 = generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return str(index), image_HW3, generator.integers(0, CLASSES, SIZE, dtype=np.uint8)


def new_model() -> SegmentationModel:
    """The demo's network."""
    model = build_model("small", CLASSES, encoder="efficientnet-lite0")
    set_normalisation(model, "frozen")
    return model


def textbook(model: SegmentationModel, stream: Stream) -> None:
    """The plain loop."""
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    for batch in prefetched([stream], 0, STEPS, 2):
        labelled = batch["source"]
        optimiser.zero_grad()
        logits_NChw, _ = model(model.preprocessing(labelled.image_N3HW))
        loss = functional.cross_entropy(
            full_size(model, logits_NChw, SIZE), labelled.label_NHW.long(), ignore_index=255
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        loss.item()


def ours(model: SegmentationModel, stream: Stream, folder: Path) -> None:
    """The project's loop, with its checks, curves and one checkpoint."""
    plan = Plan(STEPS, Schedule(), 5.0, 50, 10, 2, False)
    computer = Device(torch.device("cpu"), False)
    optimiser = make_optimiser(model.parameter_groups(), OPTIMISER)
    train(model, supervised, [stream], optimiser, plan, computer, folder, name="bench", seed=1)


def seconds_per_step(run) -> float:  # type: ignore[no-untyped-def]
    """Wall time of a run divided by its steps."""
    before = time.perf_counter()
    run()
    return (time.perf_counter() - before) / STEPS


def main() -> None:
    """Measures both in turns and publishes medians and the median of the ratios."""
    stream = Stream("source", random_sample, 64, BATCH, 1)
    textbook(new_model(), stream)  # warm-up: thread pools, kernels
    pairs = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            plain = seconds_per_step(lambda: textbook(new_model(), stream))
            looped = seconds_per_step(lambda folder=folder: ours(new_model(), stream, Path(folder)))
        pairs.append((plain, looped))
    ratio = statistics.median(looped / plain for plain, looped in pairs)
    rows = [
        Row("textbook loop, step", 1e3 * statistics.median(plain for plain, _ in pairs), "ms", None, None),
        Row("roundabout loop, step", 1e3 * statistics.median(looped for _, looped in pairs), "ms", None, None),
        Row("ratio, median of pairs", ratio, "×", "≤ 1.05", ratio <= 1.05),
    ]
    publish("step", rows, f"{machine()}; {REPEATS} pairs of {STEPS} steps, batch {BATCH} at {SIZE[0]}x{SIZE[1]}")


if __name__ == "__main__":
    main()
