"""The one training loop: every method, every phase."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.training.batches import Batch, Stream, prefetched
from pipeline.training.checkpoint import AdversaryState, load_checkpoint, save_checkpoint
from pipeline.training.distributed import all_gather, all_reduce_gradients, any_rank, barrier, draw_as, rank
from pipeline.training.micro_batches import in_micro_batches, micro_batch_count
from pipeline.training.objectives import Term
from pipeline.training.optimisation import rate_factor, set_rates
from pipeline.training.progress import NullProgress, Progress

if TYPE_CHECKING:
    from pipeline.params import Schedule
    from pipeline.training.ema import Ema


Network = TypeVar("Network", bound=torch.nn.Module)


class TrainingError(ReadableError, RuntimeError):
    """Training cannot continue; the message names step, images and checkpoint."""


class Interrupted(SystemExit):
    """The process was asked to stop and has saved a checkpoint. Exit code 143, as for SIGTERM."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Plan(NamedTuple):
    """How long to train, and how often to log and to save."""

    steps: int
    schedule: Schedule
    gradient_clip: float | None
    checkpoint_every: int
    log_every: int
    threads: int
    compile: bool


class Adversary(NamedTuple):
    """A network with a step of its own after each of the model's: the discriminators of an alignment.

    Its objective reads what the model's objective has kept of the same batch.
    """

    module: torch.nn.Module
    objective: Callable[[Any, Batch], Iterator[Term]]
    optimiser: torch.optim.Optimizer
    schedule: Schedule


def train(
    model: Network,
    objective: Callable[[Network, Batch], Iterator[Term]],
    streams: list[Stream],
    optimiser: torch.optim.Optimizer,
    plan: Plan,
    computer: Device,
    folder: Path,
    *,
    name: str,
    seed: int,
    adversary: Adversary | None = None,
    ema: Ema[Network] | None = None,
    state: torch.nn.Module | None = None,
) -> None:
    """Train ``model`` and its adversary, resuming from ``folder``/checkpoint.pt if it exists.

    ``ema`` takes in the model after each of its steps; ``state`` holds what the objective keeps from step to step, as
    buffers that are equal on all processes. A resumed run equals an uninterrupted one, bit for bit on a CPU. Several
    processes may train together, each with its share of the streams; the first one writes files and messages.

    Raises:
        Interrupted: after SIGTERM, once the step in flight is saved.
        TrainingError: a loss is not finite; nothing after it is saved.
    """
    checkpoint = folder / "checkpoint.pt"
    torch.manual_seed(seed)
    adversary_state = None if adversary is None else AdversaryState(adversary.module, adversary.optimiser)
    beside = {name: kept for name, kept in (("ema", ema), ("state", state)) if kept is not None}
    first, sums = load_checkpoint(checkpoint, model, optimiser, adversary_state, beside)
    model.train()
    terms = cast(Network, torch.compile(model)) if plan.compile else model
    watch = LossWatch(checkpoint, plan.log_every if computer.device.type == "cuda" else 1)
    show, micro_batches = Progress if rank() == 0 else NullProgress, micro_batch_count()
    progress = show(folder / "live", name, first, plan.steps, plan.log_every, sums, micro_batches)
    with progress, in_micro_batches(model, micro_batches), _stop_requests() as stopping:
        batches = prefetched(streams, first, plan.steps, plan.threads)
        for step, batch in enumerate(batches, first):
            draw_as(seed, step)
            set_rates(optimiser, rate_factor(plan.schedule, step, plan.steps))
            placed = _to_device(batch, computer)
            losses = training_step(terms, objective, placed, optimiser, plan.gradient_clip, computer)
            if ema is not None:
                ema.update(model, step)
            if adversary is not None:
                set_rates(adversary.optimiser, rate_factor(adversary.schedule, step, plan.steps))
                losses |= training_step(terms, adversary.objective, placed, adversary.optimiser, None, computer)
            watch.add(step, losses, batch)
            progress.add(step, losses, optimiser.param_groups[0]["lr"])
            done = step + 1
            stops = any_rank(stopping())
            if done % plan.checkpoint_every == 0 or done == plan.steps or stops:
                watch.check()
                if rank() == 0:
                    save_checkpoint(checkpoint, model, optimiser, done, progress.sums, adversary_state, beside)
                    progress.saved(done)
                if stops and done < plan.steps:
                    barrier()  # torchrun ends the others as soon as one has ended
                    raise Interrupted


def training_step(
    model: Network,
    objective: Callable[[Network, Batch], Iterator[Term]],
    batch: Batch,
    optimiser: torch.optim.Optimizer,
    gradient_clip: float | None,
    computer: Device,
) -> dict[str, Tensor]:
    """Take one optimiser step over all terms of the objective; return each term's value, detached.

    A term without a gradient appears in the curves only.
    """
    optimiser.zero_grad(set_to_none=True)
    losses, has_gradient = {}, False
    with computer.autocast():
        terms = objective(model, batch)
        while (term := next(terms, None)) is not None:
            name, loss = term
            if loss.requires_grad:
                has_gradient = True
                with torch.autocast(computer.device.type, enabled=False):
                    torch.autograd.backward(loss)
            losses[name] = loss.detach()
            del loss, term
    assert has_gradient, "no term of the objective has a gradient"
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    all_reduce_gradients(parameters)
    if gradient_clip is not None:
        torch.nn.utils.clip_grad_norm_(parameters, gradient_clip)
    optimiser.step()
    return losses


class LossWatch:
    """Watches for a loss that is not finite; on a GPU every few steps, because reading a loss waits for the device."""

    def __init__(self, checkpoint: Path, every: int) -> None:
        self._checkpoint, self._every = checkpoint, every
        self._pending: list[tuple[int, dict[str, Tensor], list[str]]] = []

    def add(self, step: int, losses: dict[str, Tensor], batch: Batch) -> None:
        """Keep a step's losses, and check every few steps.

        Raises:
            TrainingError: as `check` does.
        """
        ids = [f"{name} {image_id}" for name, labelled in batch.items() for image_id in labelled.ids]
        self._pending.append((step, losses, ids))
        if len(self._pending) >= self._every:
            self.check()

    def check(self) -> None:
        """Check all losses since the last check.

        Raises:
            TrainingError: a loss is not finite; the message names the step, the images and the checkpoint.
        """
        for step, losses, ids in self._pending:
            for name, loss in losses.items():
                if not math.isfinite(float(loss)):
                    kept = f"the last good one is {self._checkpoint}" if self._checkpoint.exists() else "none was saved"
                    raise TrainingError(
                        f"the loss {name!r} is {float(loss)} at step {step}, on {', '.join(all_gather(ids))}. "
                        f"Of the checkpoints, {kept}; lower the learning rate, or set gradient_clip."
                    )
        self._pending.clear()


def _to_device(batch: Batch, computer: Device) -> Batch:
    if computer.device.type == "cpu":
        return batch
    return {
        name: labelled._replace(
            image_N3HW=labelled.image_N3HW.pin_memory().to(computer.device, non_blocking=True),
            label_NHW=labelled.label_NHW.pin_memory().to(computer.device, non_blocking=True),
        )
        for name, labelled in batch.items()
    }


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block, note SIGTERM (of a scheduler, or a parent's death) and Ctrl-C instead of dying of them.

    A second Ctrl-C kills at once.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    if threading.current_thread() is threading.main_thread():  # others cannot handle signals
        for number in before:
            signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
