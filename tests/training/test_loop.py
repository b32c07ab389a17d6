"""The training loop: repeatable, stoppable, resumable.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.common.device import select_device
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.params import Optimiser, Schedule
from pipeline.training.batches import Batch, Sample, Stream
from pipeline.training.loop import Interrupted, Plan, TrainingError, train
from pipeline.training.objectives import Objective, Term, supervised
from pipeline.training.optimisation import make_optimiser
from pipeline.training.progress import CURVES, append_point, cut_curves

STEPS, RATE = 12, 0.03
Curves = dict[str, list[tuple[int, float]]]


class TinyNet(SegmentationModel):
    """A 3×3 convolution, dropout (so that the random state matters) and a classifier."""

    HEAD_PARTS = frozenset({"head"})

    def __init__(self) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], None)
        torch.manual_seed(7)
        self.body = nn.Conv2d(3, 8, 3, padding=1)
        self.dropout = nn.Dropout2d(0.5)
        self.head = nn.Conv2d(8, 3, 1)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        feature_NDHW = torch.relu(self.body(input_N3HW))
        return self.head(self.dropout(feature_NDHW)), None, (feature_NDHW, feature_NDHW)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.head]


def sample_at(index: int, generator: np.random.Generator) -> Sample:
    label_HW = np.random.default_rng(index).integers(0, 3, (4, 6)).astype(np.uint8)
    noise_HW3 = generator.integers(0, 40, (4, 6, 3))
    return f"image-{index}", (label_HW[..., None] * 80 + noise_HW3).astype(np.uint8), label_HW


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory: nothing but the run's folder may be written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    folder: Path,
    objective: Objective = supervised,
    *,
    log_every: int = 1,
    checkpoint_every: int = 100,
    seed: int = 3,
    threads: int = 2,
    gradient_clip: float | None = 1.0,
) -> TinyNet:
    model = TinyNet()
    optimiser = make_optimiser(model.parameter_groups(), Optimiser(learning_rate=RATE, head_factor=2))
    plan = Plan(STEPS, Schedule(warmup=3), gradient_clip, checkpoint_every, log_every, threads, False)
    streams = [Stream("source", sample_at, 5, 2, seed)]
    computer = select_device("cpu", "float32")
    train(model, objective, streams, optimiser, plan, computer, folder, name="test", seed=seed)
    return model


class FailsAt:
    """Supervision that does something once, at one step."""

    def __init__(self, step: int, action: str) -> None:
        self.calls, self.step, self.action = 0, step, action

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        if self.calls == self.step and self.action.startswith("SIG"):
            os.kill(os.getpid(), signal.Signals[self.action])
        if self.calls == self.step and self.action == "raise":
            raise RuntimeError("killed")
        for name, loss in supervised(model, batch):
            yield name, loss * float("nan") if self.calls == self.step and self.action == "nan" else loss
        self.calls += 1


def curves_of(folder: Path) -> Curves:
    found = {}
    for path in sorted((folder / "live" / CURVES).rglob("*.tsv")):
        header, *rows = csv.reader(path.read_text().splitlines(), delimiter="\t")
        assert header == ["step", path.stem]
        found[path.stem] = [(int(step), float(value)) for step, value in rows]
    return found


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for (name, expected), found in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(expected, found), name


def interrupt(folder: Path, step: int, log_every: int = 1) -> None:
    """Runs until SIGTERM comes in a step; were it not caught, the test would fail instead of the test program end."""

    def not_caught(number: int, frame: object) -> None:
        raise AssertionError("SIGTERM was not caught by the loop")

    before = signal.signal(signal.SIGTERM, not_caught)
    try:
        with pytest.raises(Interrupted) as stopped:
            run(folder, FailsAt(step, "SIGTERM"), log_every=log_every)
        assert signal.getsignal(signal.SIGTERM) is not_caught  # the loop put it back
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped.value.code == 143


def test_the_same_seed_gives_the_same_losses_with_any_number_of_threads(tmp_path: Path) -> None:
    first = run(tmp_path / "a", threads=1)
    assert_same(first, run(tmp_path / "b", threads=4))
    assert curves_of(tmp_path / "a") == curves_of(tmp_path / "b")
    assert list(curves_of(tmp_path / "a")) == ["learning_rate", "source"]
    run(tmp_path / "c", seed=4)
    assert curves_of(tmp_path / "a")["source"] != curves_of(tmp_path / "c")["source"]


def test_training_learns_and_follows_the_schedule(tmp_path: Path) -> None:
    run(tmp_path)
    curves = curves_of(tmp_path)
    losses = [value for _, value in curves["source"]]
    assert sum(losses[-3:]) < 0.85 * sum(losses[:3])
    expected = [RATE * min(1, (step + 1) / 3) * (1 - step / STEPS) ** 0.9 for step in range(STEPS)]
    assert [value for _, value in curves["learning_rate"]] == pytest.approx(expected)


def test_a_run_stopped_by_a_signal_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    at_once = run(tmp_path / "at-once")
    interrupt(tmp_path / "stopped", step=4)
    assert torch.load(tmp_path / "stopped" / "checkpoint.pt", weights_only=True)["step"] == 5
    assert curves_of(tmp_path / "stopped")["source"] == curves_of(tmp_path / "at-once")["source"][:5]

    resumed = run(tmp_path / "stopped")

    assert_same(at_once, resumed)
    assert curves_of(tmp_path / "stopped") == curves_of(tmp_path / "at-once")


def test_the_optimisers_state_is_that_of_an_uninterrupted_run(tmp_path: Path) -> None:
    run(tmp_path / "at-once")
    interrupt(tmp_path / "stopped", step=4)
    run(tmp_path / "stopped")
    first, second = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("at-once", "stopped")
    )
    assert first["step"] == second["step"] == STEPS
    assert torch.equal(first["random"], second["random"])
    for parameter, state in first["optimiser"]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, second["optimiser"]["state"][parameter][name]), name


def test_a_run_killed_between_checkpoints_makes_the_lost_steps_again(tmp_path: Path) -> None:
    at_once = run(tmp_path / "at-once", checkpoint_every=4)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", FailsAt(7, "raise"), checkpoint_every=4)
    assert len(curves_of(tmp_path / "killed")["source"]) == 7
    assert_same(at_once, run(tmp_path / "killed", checkpoint_every=4))
    assert curves_of(tmp_path / "killed") == curves_of(tmp_path / "at-once")


def test_a_finished_run_does_nothing_again(tmp_path: Path) -> None:
    finished = run(tmp_path)
    before = curves_of(tmp_path)
    assert_same(finished, run(tmp_path, FailsAt(0, "raise")))
    assert curves_of(tmp_path) == before


def test_a_signal_in_the_last_step_does_not_throw_the_result_away(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        stopped = run(tmp_path / "a", FailsAt(STEPS - 1, "SIGTERM"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert_same(stopped, run(tmp_path / "b"))


def test_curves_hold_means_since_the_last_point_and_the_last_step(tmp_path: Path) -> None:
    run(tmp_path / "every", log_every=1)
    run(tmp_path / "fifth", log_every=5)
    each = dict(curves_of(tmp_path / "every")["source"])
    means = curves_of(tmp_path / "fifth")["source"]
    assert [step for step, _ in means] == [5, 10, 12]
    for last, first, (_, mean) in zip((5, 10, 12), (1, 6, 11), means, strict=True):
        expected = [each[step] for step in range(first, last + 1)]
        assert mean == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_means_go_on_over_an_interruption(tmp_path: Path) -> None:
    run(tmp_path / "at-once", log_every=3)
    interrupt(tmp_path / "stopped", step=4, log_every=3)  # between two points of the curve
    run(tmp_path / "stopped", log_every=3)
    stopped, at_once = curves_of(tmp_path / "stopped"), curves_of(tmp_path / "at-once")
    assert [step for step, _ in stopped["source"]] == [3, 6, 9, 12]
    assert stopped == at_once


def test_a_loss_that_is_not_finite_names_step_images_and_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as failed:
        run(tmp_path, FailsAt(6, "nan"), checkpoint_every=2)
    message = str(failed.value)
    ids = ", ".join(f"source {image_id}" for image_id in Stream("source", sample_at, 5, 2, 3).at(6).ids)
    assert message.startswith(f"the loss 'source' is nan at step 6, on {ids}.")
    assert f"the last good one is {tmp_path / 'checkpoint.pt'}" in message
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 6
    assert all(torch.isfinite(value).all() for value in saved["model"].values())


def test_a_first_loss_that_is_not_finite_says_that_nothing_was_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"at step 0, .* none was saved; lower the learning rate"):
        run(tmp_path, FailsAt(0, "nan"))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_gradient_is_clipped_over_all_groups_together(tmp_path: Path) -> None:
    norms = []

    def watched(model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        yield from ((name, 1e4 * loss) for name, loss in supervised(model, batch))

    class Recorded(torch.optim.SGD):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            gradients = [p.grad for group in self.param_groups for p in group["params"]]
            norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))

    model = TinyNet()
    optimiser = Recorded([{"params": list(model.parameters()), "lr": 0.1, "base_rate": 0.1}])
    plan = Plan(3, Schedule(), 0.5, 100, 1, 1, False)
    streams = [Stream("source", sample_at, 5, 2, 3)]
    train(model, watched, streams, optimiser, plan, select_device("cpu", "float32"), tmp_path, name="t", seed=1)
    assert norms == pytest.approx([0.5] * 3, rel=1e-4)


def test_rows_beyond_the_checkpoint_are_forgotten_in_every_curve(tmp_path: Path) -> None:
    (tmp_path / "loss").mkdir()
    for path in (tmp_path / "loss" / "source.tsv", tmp_path / "rate.tsv"):
        path.write_text(f"step\t{path.stem}\n5\t0.5\n10\t0.25\n15\t0.125\n")
    cut_curves(tmp_path, 10)
    assert (tmp_path / "loss" / "source.tsv").read_text() == "step\tsource\n5\t0.5\n10\t0.25\n"
    assert (tmp_path / "rate.tsv").read_text() == "step\trate\n5\t0.5\n10\t0.25\n"
    cut_curves(tmp_path, 0)
    assert (tmp_path / "rate.tsv").read_text() == "step\trate\n"


def test_nothing_is_written_outside_the_folder(here: Path) -> None:
    run(here / "work")
    assert list(here.iterdir()) == [here / "work"]
    assert {path.name for path in (here / "work").iterdir()} == {"checkpoint.pt", "live"}


def test_curves_that_a_kill_left_torn_are_mended(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "torn.tsv").write_text("step\ttorn\n5\t0.5\n10\t0.2")
    cut_curves(tmp_path, 10)
    assert not (tmp_path / "empty.tsv").exists()
    assert (tmp_path / "torn.tsv").read_text() == "step\ttorn\n5\t0.5\n"


def test_a_curve_is_one_header_and_a_row_for_each_point(tmp_path: Path) -> None:
    path = tmp_path / "loss" / "source.tsv"
    for step, value in ((5, 0.1), (10, 1e-7), (15, float("nan"))):
        append_point(path, step, value)
    assert path.read_text() == "step\tsource\n5\t0.1\n10\t1e-07\n15\tnan\n"


def test_ctrl_c_saves_and_stops_and_is_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        run(tmp_path, FailsAt(4, "SIGINT"))
    assert signal.getsignal(signal.SIGINT) is before
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5
    run(tmp_path)
    assert [step for step, _ in curves_of(tmp_path)["source"]] == list(range(1, STEPS + 1))
