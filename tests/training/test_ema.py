"""The average of the weights: its arithmetic, its buffers, its resume, and the model file that it becomes.

# N batch, D feature channels, H/W pixels
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.common.labels import ClassSet
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.models.build import build_model, set_normalisation
from pipeline.models.state import load_model
from pipeline.params import Model, Runtime, Schedule, Training
from pipeline.training.batches import Batch, Sample, Stream
from pipeline.training.ema import Ema, decay_of
from pipeline.training.loop import Plan, train
from pipeline.training.micro_batches import VARIABLE
from pipeline.training.objectives import Objective, Term, supervised
from pipeline.training.run import RunSettings, Task, fit
from pipeline.training.stage import finish

CPU = select_device("cpu", "float32")
STEPS, DECAY = 6, 0.6
State = dict[str, Tensor]


class TinyNet(SegmentationModel):
    """A convolution with batch normalisation, dropout, and a classifier."""

    HEAD_PARTS = frozenset({"head"})

    def __init__(self) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], None)
        torch.manual_seed(7)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.dropout = nn.Dropout2d(0.5)
        self.head = nn.Conv2d(8, 3, 1)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        feature_NDHW = self.body(input_N3HW)
        return self.head(self.dropout(feature_NDHW)), None, (feature_NDHW, feature_NDHW)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.head]


def sample_at(index: int, generator: np.random.Generator) -> Sample:
    label_HW = np.random.default_rng(index).integers(0, 3, (32, 32)).astype(np.uint8)
    noise_HW3 = generator.integers(0, 40, (32, 32, 3))
    return f"image-{index}", (label_HW[..., None] * 80 + noise_HW3).astype(np.uint8), label_HW


def copy_of(module: nn.Module) -> State:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(first: State, second: State) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


class Watched:
    """Supervision that keeps the network as it is before each step, and may stop the training in one."""

    def __init__(self, stops_at: int | None = None) -> None:
        self.before: list[State] = []
        self.stops_at = stops_at

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        if len(self.before) == self.stops_at:
            raise RuntimeError("killed")
        self.before.append(copy_of(getattr(model, "_orig_mod", model)))
        yield from supervised(model, batch)


def run(
    folder: Path,
    objective: Objective,
    *,
    compiled: bool = False,
    averaged: bool = True,
    state: nn.Module | None = None,
) -> tuple[TinyNet, Ema[TinyNet] | None]:
    model = TinyNet()
    ema = Ema(model, DECAY) if averaged else None
    optimiser = torch.optim.SGD([{"params": list(model.parameters()), "lr": 0.05, "base_rate": 0.05}], momentum=0.9)
    plan = Plan(STEPS, Schedule(name="constant"), None, 2, 1, 1, compiled)
    streams = [Stream("source", sample_at, 5, 2, 3)]
    train(model, objective, streams, optimiser, plan, CPU, folder, name="test", seed=3, ema=ema, state=state)
    return model, ema


def by_hand(after: list[State], decay: float) -> dict[str, np.ndarray]:
    """The average of the networks after each step, in double precision, by the papers' formula."""
    average: dict[str, np.ndarray] = {}
    for step, state in enumerate(after):
        alpha = min(1 - 1 / (step + 1), decay)
        for name, value in state.items():
            old = average.get(name, np.zeros(value.shape))
            average[name] = alpha * old + (1 - alpha) * value.double().numpy()
    return average


def assert_averages(found: nn.Module, after: list[State], decay: float) -> None:
    """Parameters are averages; buffers are those of the last network."""
    expected, names = by_hand(after, decay), {name for name, _ in found.named_parameters()}
    for name, value in found.state_dict().items():
        if name in names:
            np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-5, atol=1e-7, err_msg=name)
        else:
            assert torch.equal(value, after[-1][name]), name


@pytest.mark.parametrize(
    ("ema", "steps", "decay"),
    [("none", 100, None), (0.9, 7, 0.9), ("auto", 100, 0.98), ("auto", 500, 0.98), ("auto", 2000, 0.995)],
)
def test_auto_averages_over_the_last_tenth_of_the_steps_but_over_50_at_least(
    ema: object, steps: int, decay: float | None
) -> None:
    assert decay_of(ema, steps) == (None if decay is None else pytest.approx(decay))  # type: ignore[arg-type]


def test_the_average_is_the_one_computed_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    ema, found = Ema(model, 0.6), []
    for step, value in enumerate([4.0, 2.0, 5.0, 1.0]):
        nn.init.constant_(model.weight, value)
        ema.update(model, step)
        found.append(float(ema.model.weight))
    assert found == pytest.approx([4.0, 3.0, 0.6 * 3 + 0.4 * 5, 0.6 * (0.6 * 3 + 0.4 * 5) + 0.4 * 1])
    assert found[0] == 4.0  # the first update copies


def test_it_is_the_plain_mean_while_the_training_is_short() -> None:
    model = nn.Linear(1, 1, bias=False)
    ema = Ema(model, 0.99)
    for step in range(50):
        nn.init.constant_(model.weight, step**2)
        ema.update(model, step)
    assert float(ema.model.weight) == pytest.approx(np.mean(np.arange(50) ** 2))


def test_buffers_of_any_type_are_copied_and_never_shared() -> None:
    model = TinyNet()
    ema = Ema(model, DECAY)
    for step in range(3):
        model.train()(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(step)) * 5 + 2)
        ema.update(model, step)
    norm, copied = model.body[1], ema.model.body[1]
    assert int(copied.num_batches_tracked) == 3
    assert torch.equal(copied.running_mean, norm.running_mean) and bool((norm.running_mean.abs() > 0.1).any())
    assert torch.equal(copied.running_var, norm.running_var)
    mine = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert mine.isdisjoint(tensor.data_ptr() for tensor in ema.model.state_dict().values())


@pytest.mark.parametrize("normalisation", ["frozen", "affine_frozen", "train"])
def test_the_average_does_not_train_and_has_the_same_normalisation(normalisation: str) -> None:
    model = TinyNet()
    set_normalisation(model, normalisation)
    ema = Ema(model.train(), DECAY)
    assert ema.model.normalisation == normalisation
    assert not any(module.training for module in ema.model.modules())
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert model.training and all(parameter.requires_grad for parameter in model.head.parameters())
    ema.model.train()
    assert ema.model.body[1].training == (normalisation != "frozen")


@pytest.mark.parametrize("how", ["plainly", "in micro-batches", "compiled"])
def test_every_optimiser_step_of_a_training_is_averaged(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "in micro-batches":
        monkeypatch.setenv(VARIABLE, "2")
    # The compiler itself is not needed to see which network is averaged
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    watched = Watched()
    model, ema = run(tmp_path, watched, compiled=how == "compiled")
    assert ema is not None
    assert_averages(ema.model, [*watched.before[1:], copy_of(model)], DECAY)
    assert not torch.equal(ema.model.head.weight, model.head.weight)


def test_the_training_itself_is_the_same_with_an_average(tmp_path: Path) -> None:
    with_average, _ = run(tmp_path / "a", supervised)
    without, _ = run(tmp_path / "b", supervised, averaged=False)
    assert_same(with_average.state_dict(), without.state_dict())


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    _, at_once = run(tmp_path / "at-once", supervised)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", Watched(stops_at=5))  # a step after the checkpoint
    assert torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["step"] == 4
    _, resumed = run(tmp_path / "killed", supervised)
    _, again = run(tmp_path / "killed", Watched(stops_at=0))  # it has ended: nothing is trained
    assert at_once is not None and resumed is not None and again is not None
    assert_same(at_once.state_dict(), resumed.state_dict())
    assert_same(at_once.state_dict(), again.state_dict())


class Counted(nn.Module):
    """Supervision with a buffer that counts its steps, and one that adds losses up."""

    def __init__(self, stops_at: int | None = None) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("total", torch.zeros(()))
        self.stops_at = stops_at

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        if int(self.steps) == self.stops_at:
            raise RuntimeError("killed")
        for name, loss in supervised(model, batch):
            self.steps += 1
            self.total += loss.detach()
            yield name, loss


def test_what_an_objective_keeps_between_steps_is_resumed(tmp_path: Path) -> None:
    whole, killed, resumed = Counted(), Counted(stops_at=5), Counted()
    run(tmp_path / "at-once", whole, state=whole)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", killed, state=killed)
    run(tmp_path / "killed", resumed, state=resumed)
    assert int(resumed.steps) == STEPS
    assert_same(whole.state_dict(), resumed.state_dict())


def test_a_checkpoint_of_a_run_that_kept_something_else_is_refused(tmp_path: Path) -> None:
    run(tmp_path, supervised, averaged=False)
    with pytest.raises(
        ReadableError, match=r"checkpoint.pt: keeps nothing beside the network, and this run ema: .*rem"
    ):
        run(tmp_path, supervised)


def small_run(folder: Path, ema: str | float, watched: Objective) -> SegmentationModel:
    """A network of the program, trained by ``fit`` and saved by ``finish``."""
    section = Training.model_validate({"steps": 3, "batch": 2, "ema": ema, "optimiser": {"learning_rate": 0.01}})
    classes = ClassSet("three", ("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    settings = RunSettings("r", 1, (32, 32), classes, "source", Model(normalisation="train"), section)
    model = build_model("small", 3)
    model.spec["ema"] = 0.5  # it begins with a model that was an average
    task = Task(watched, [settings.stream("source", sample_at, 5)], 3)
    fit(settings, model, task, Runtime(), CPU, folder / "work")
    finish(model, classes, folder / "work", folder, "model.pt")
    return model


def test_the_model_file_is_the_average_and_says_so(tmp_path: Path) -> None:
    watched = Watched()
    small_run(tmp_path, DECAY, watched)
    last = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)["model"]
    saved = load_model(tmp_path / "model.pt", "cpu")
    assert_averages(saved, [*watched.before[1:], last], DECAY)
    assert saved.spec["ema"] == DECAY
    assert not torch.equal(saved.state_dict()["head.classify.weight"], last["head.classify.weight"])


def test_without_an_average_the_model_file_is_the_last_network_and_claims_nothing(tmp_path: Path) -> None:
    small_run(tmp_path, "none", supervised)
    checkpoint = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)
    saved = load_model(tmp_path / "model.pt", "cpu")
    assert_same(saved.state_dict(), checkpoint["model"])
    assert checkpoint["beside"] == {}
    assert "ema" not in saved.spec
