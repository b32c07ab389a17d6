"""Two processes (gloo) train what one process trains, with the same losses; run as a program, this file is one of them.

# N batch, C class, D feature channels, H/W pixels
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.models.build import set_normalisation
from pipeline.params import Optimiser, Schedule
from pipeline.training.alignment.alignment import Alignment
from pipeline.training.alignment.methods import Levels, adaptsegnet, advent, minent, style
from pipeline.training.batches import Batch, Sample, Stream
from pipeline.training.distributed import process_group, rank, share_normalisation, world_size
from pipeline.training.ema import Ema
from pipeline.training.loop import Adversary, Interrupted, Plan, train
from pipeline.training.objectives import Objective, PseudoLabelObjective, Term, supervised
from pipeline.training.optimisation import make_adam, make_optimiser
from pipeline.training.run import _share_of_process

STEPS = 4
SIDE = 32  # a discriminator wants 32


class TinyNet(SegmentationModel):
    """Two convolutions with batch normalisation, dropout where asked for, a classifier; both convolutions are shown."""

    HEAD_PARTS = frozenset({"head"})

    def __init__(self, dropout: float) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], None)
        torch.manual_seed(7)
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(16, 3, 1)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        first_NDHW = self.first(input_N3HW)
        second_NDHW = self.second(first_NDHW)
        return self.head(self.dropout(second_NDHW)), None, (first_NDHW, second_NDHW)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.head]


def sample_at(index: int, generator: np.random.Generator) -> Sample:
    """Images of which very different shares are ignored, one of them whole: means of means are far off."""
    label_HW = np.random.default_rng(index).integers(0, 3, (SIDE, SIDE)).astype(np.uint8)
    noise_HW3 = generator.integers(0, 60, (SIDE, SIDE, 3))
    image_HW3 = (label_HW[..., None] * 60 + noise_HW3).astype(np.uint8)
    label_HW[: SIDE * index // 6] = 255
    return f"image-{index}", image_HW3, label_HW


def aligned(name: str) -> Alignment:
    drawn, levels = torch.Generator().manual_seed(5), Levels(0.3, 0.0)
    return {
        "minent": lambda: minent(levels),
        "advent": lambda: advent(levels, 3, drawn),
        "adaptsegnet-ls": lambda: adaptsegnet(levels, 3, drawn, gan="ls"),
        "style": lambda: style(levels, 3, drawn, weight=0.1, statistic="adversarial"),
        "style-gram": lambda: style(levels, 3, drawn, weight=0.1, statistic="gram"),
    }[name]()


def weighting(model: SegmentationModel, batch: Batch) -> Iterator[Term]:
    """Yield the cross entropy with weights of classes."""
    yield from supervised(model, {"source": batch["source"]._replace(class_weight_C=torch.tensor([0.2, 1.0, 5.0]))})


# case: objective, normalisation, batch
CASES = {
    "supervised": (supervised, "frozen", 4),
    "supervised, uneven shares": (supervised, "frozen", 5),
    "supervised, batch statistics": (supervised, "train", 5),
    "supervised, batch statistics of fixed layers": (supervised, "affine_frozen", 4),
    "supervised, weights of classes": (weighting, "frozen", 5),
    "lse, focal of pixels": (PseudoLabelObjective(0.5, 3.0), "frozen", 5),
    "lse, focal of the mean": (PseudoLabelObjective(0.5, 2.0, "mean"), "frozen", 4),
    "cada": (PseudoLabelObjective(over_all_pixels=True), "frozen", 5),
    "minent": ("minent", "frozen", 5),
    "advent": ("advent", "frozen", 4),
    "adaptsegnet-ls": ("adaptsegnet-ls", "train", 5),
    "style": ("style", "frozen", 5),
    "style-gram": ("style-gram", "frozen", 5),
}


class Recorded:
    """An objective that writes down the value of every term; asked for it, it stops this process at a step."""

    def __init__(self, objective: Objective, losses: dict[str, list[float]], stop_at: int | None = None) -> None:
        self.objective, self.losses, self.stop_at, self.calls = objective, losses, stop_at, 0

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        if self.calls == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        self.calls += 1
        for name, loss in self.objective(model, batch):
            self.losses.setdefault(name, []).append(float(loss.detach()))
            yield name, loss


def run_case(
    case: str, folder: Path, *, dropout: float = 0.0, stop_at: int | None = None
) -> tuple[dict[str, list[float]], list[float]]:
    """Losses of every step, and the weights at the end, those of their average too."""
    chosen, normalisation, batch = CASES[case]
    model, computer, losses = TinyNet(dropout), select_device("cpu", "float32"), {}
    set_normalisation(model, normalisation)
    share_normalisation(model, computer)
    ema = Ema(model, 0.6)
    names, adversary, objective = ["source", "patches"], None, chosen
    if isinstance(chosen, str):
        alignment = aligned(chosen)
        names, objective = ["source", "target"], alignment.generator_terms
        if alignment.discriminators:
            optimiser = make_adam(alignment.discriminators.parameters(), 1e-3, (0.9, 0.99))
            terms = Recorded(alignment.discriminator_terms, losses)
            adversary = Adversary(alignment.discriminators, terms, optimiser, Schedule())
    optimiser = make_optimiser(model.parameter_groups(), Optimiser(name="sgd", learning_rate=0.01))
    streams = [_share_of_process(Stream(name, sample_at, 7, batch, 3, "run")) for name in names]
    plan = Plan(STEPS, Schedule(warmup=2), 1.0, 100, 1, 1, False)
    train(
        model, Recorded(objective, losses, stop_at), streams, optimiser, plan, computer, folder,
        name="test", seed=3, adversary=adversary, ema=ema,
    )  # fmt: skip
    weights = [*model.state_dict().values(), *ema.state_dict().values()]
    return losses, [value for tensor in weights for value in tensor.double().flatten().tolist()]


def main(folder: Path) -> None:
    """One of two processes: all cases, and a run that is stopped on the second process alone and resumed."""
    torch.set_num_threads(1)
    with process_group(select_device("cpu", "float32")):
        assert world_size() == 2
        answers = {case: run_case(case, folder / str(number)) for number, case in enumerate(CASES)}
        answers["whole"] = run_case("advent", folder / "whole", dropout=0.5)
        try:
            run_case("advent", folder / "stopped", dropout=0.5, stop_at=2 if rank() == 1 else None)
        except Interrupted:
            answers["resumed"] = run_case("advent", folder / "stopped", dropout=0.5)
        (folder / f"answers-{rank()}.json").write_text(json.dumps(answers))


Answers = dict[str, tuple[dict[str, list[float]], list[float]]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answers]:
    """What two processes that train together have found, each."""
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    root = str(Path(__file__).resolve().parents[2])
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env={**os.environ, **together, "PYTHONPATH": root, "RANK": str(number), "LOCAL_RANK": str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [process.communicate(timeout=280)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said[0][-3000:] + said[1][-3000:]
    return [json.loads((folder / f"answers-{number}.json").read_text()) for number in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_losses_of_one(case: str, answers: list[Answers], tmp_path: Path) -> None:
    losses, weights = run_case(case, tmp_path)
    found, found_weights = answers[0][case]
    assert found.keys() == losses.keys()
    for name, values in losses.items():
        assert len(values) == STEPS
        assert found[name] == pytest.approx(values, rel=2e-4, abs=1e-6)
        assert found[name][0] == pytest.approx(values[0], rel=1e-5)
    assert found_weights == pytest.approx(weights, rel=1e-3, abs=2e-5)


def test_both_processes_hold_the_same_network_bit_for_bit(answers: list[Answers]) -> None:
    assert answers[0] == answers[1]


def test_a_stop_of_one_process_stops_both_and_the_resumed_run_ends_as_the_whole_one(answers: list[Answers]) -> None:
    """With dropout and discriminators: what is drawn is a function of step and process."""
    whole, resumed = answers[0]["whole"], answers[0]["resumed"]
    assert resumed[1] == whole[1]
    assert resumed[0]["source"] == whole[0]["source"][3:]  # stopped in step 2, after which it saved


def test_shares_of_a_batch_are_the_samples_of_the_batch() -> None:
    stream = Stream("source", sample_at, 7, 5, 3, "run")
    whole = stream.at(4)
    shares = [stream._replace(rank=number, processes=3).at(4) for number in range(3)]
    assert [len(share.ids) for share in shares] == [1, 2, 2]
    assert [image_id for share in shares for image_id in share.ids] == whole.ids
    assert torch.equal(torch.cat([share.image_N3HW for share in shares]), whole.image_N3HW)
    assert torch.equal(torch.cat([share.label_NHW for share in shares]), whole.label_NHW)


def test_more_processes_than_images_of_a_batch_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.training.run.world_size", lambda: 4)
    with pytest.raises(ReadableError, match=r"run: 4 processes cannot share batches of 2 \(source\)"):
        _share_of_process(Stream("source", sample_at, 7, 2, 3, "run"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
