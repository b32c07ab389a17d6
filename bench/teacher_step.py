"""A step of a teacher's round against the sum of its passes: same network, same batches, in turns.

The rival is a plain loop with as many images forward and backward: the source's and as many of the target, the
teacher's two answers (the image and its mirror image) without a gradient, clip, optimiser, and torch's average of the
weights. What the round adds are quotas, ClassMix, weights of pixels, curves and checks. Images are as they are in both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.step import CLASSES, LOADERS, OPTIMISER, REPEATS, SMALL, STEPS, compared, new_model, random_samples
from bench.table import machine, publish
from pipeline.common.device import Device
from pipeline.methods.teacher import Teacher, TeacherRound
from pipeline.models.base import SegmentationModel, full_size
from pipeline.params import Schedule
from pipeline.training.batches import Labelled, Stream, prefetched
from pipeline.training.ema import Ema
from pipeline.training.loop import Plan, train
from pipeline.training.optimisation import make_optimiser
from pipeline.training.teacher.objective import Changes, TeacherObjective

BATCH, DECAY, BINS = 4, 0.99, 1000


def passes(model: SegmentationModel, streams: list[Stream]) -> None:
    """The plain loop."""
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    for batch in prefetched(streams, 0, STEPS, LOADERS):
        optimiser.zero_grad()
        with torch.no_grad():
            for image_N3HW in (batch["target"].image_N3HW, batch["target"].image_N3HW.flip(-1)):
                average.module.eval()
                logits(average.module, image_N3HW).softmax(1)
        for labelled in batch.values():
            loss(model, labelled).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(model)


def logits(model: SegmentationModel, image_N3HW: torch.Tensor) -> torch.Tensor:
    """Logits (N,C,H,W) at the images' size."""
    return full_size(model, model(model.preprocessing(image_N3HW))[0], SMALL)


def loss(model: SegmentationModel, labelled: Labelled) -> torch.Tensor:
    """The plain cross entropy."""
    return functional.cross_entropy(logits(model, labelled.image_N3HW), labelled.label_NHW.long(), ignore_index=255)


def teacher_round(model: SegmentationModel, streams: list[Stream], folder: Path) -> None:
    """The project's loop with a teacher's objective."""
    entry = TeacherRound(method="teacher", init="source-only")
    counts_CB = np.ones((CLASSES, BINS), np.int64)
    objective = TeacherObjective(
        Teacher(compat="paper"), entry, counts_CB, Changes(None, None), seed=1, run="bench", batch=BATCH, steps=STEPS
    )
    ema = Ema(model, DECAY)
    objective.taught_by(ema.model)
    plan = Plan(STEPS, Schedule(), 5.0, 50, 10, LOADERS, False)
    optimiser = make_optimiser(model.parameter_groups(), OPTIMISER)
    computer = Device(torch.device("cpu"), False)
    train(
        model, objective, streams, optimiser, plan, computer, folder, name="bench", seed=1, ema=ema, state=objective
    )  # fmt: skip


def main() -> None:
    """Measure both in turns and publish medians and the median of the ratios."""
    streams = [Stream(name, random_samples(SMALL), 64, BATCH, 1) for name in ("source", "target")]
    passes(new_model(), streams)  # warm-up: thread pools, kernels
    rows = compared(
        {
            "sum of the passes, step": lambda _: passes(new_model(), streams),
            "a teacher's round, step": lambda folder: teacher_round(new_model(), streams, folder),
        }
    )
    note = f"{machine()}; {REPEATS} pairs of {STEPS} steps, {BATCH} + {BATCH} images of {SMALL[0]}x{SMALL[1]}"
    publish("teacher_step", rows, note)


if __name__ == "__main__":
    main()
