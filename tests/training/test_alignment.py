"""Alignments at work: who learns what, what is left alone, and that a resumed run is the same run.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.device import select_device
from pipeline.common.labels import IGNORE
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.params import Discriminators, Optimiser, Schedule
from pipeline.training.alignment.adversarial import Adversarial
from pipeline.training.alignment.alignment import Alignment
from pipeline.training.alignment.build import make_adversary
from pipeline.training.alignment.entropy import mean_entropy, self_information
from pipeline.training.alignment.methods import Levels, StyleStatistic, adaptsegnet, advent, minent, style
from pipeline.training.alignment.style import channel_means, channel_means_and_deviations, gram_matrix
from pipeline.training.batches import Batch, Sample, Stream
from pipeline.training.forward import Outputs, forward_batch
from pipeline.training.loop import Adversary, Plan, train, training_step
from pipeline.training.objectives import Objective, Term, supervised
from pipeline.training.optimisation import make_optimiser

CLASSES, SIZE, LONG = 3, (32, 32), 120
CPU = select_device("cpu", "float32")


class TinyNet(SegmentationModel):
    """Two convolutions (the front), one class score in the middle, and dropout, so that the random state matters."""

    HEAD_PARTS = frozenset({"head", "auxiliary"})

    def __init__(self, seed: int = 7) -> None:
        super().__init__(CLASSES, PREPROCESSINGS["lite-rgb"], None)
        torch.manual_seed(seed)
        self.body = nn.Conv2d(3, 16, 1)
        self.deeper = nn.Conv2d(16, 16, 1)
        self.dropout = nn.Dropout2d(0.1)
        self.auxiliary = nn.Conv2d(16, CLASSES, 1)
        self.head = nn.Conv2d(16, CLASSES, 1)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        first = torch.relu(self.body(input_N3HW))
        second = torch.relu(self.deeper(first))
        return self.head(self.dropout(second)), self.auxiliary(second), (first, second)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.head, self.auxiliary]


def image_of(label_HW: np.ndarray, shift: int, generator: np.random.Generator) -> np.ndarray:
    """A colour for each class, noise, and the domain's shift of brightness: what there is to be aligned."""
    noise_HW3 = generator.integers(0, 30, (*label_HW.shape, 3))
    return (label_HW[..., None] * np.array([50, 30, 40]) + noise_HW3 + shift).astype(np.uint8)


def source_at(index: int, generator: np.random.Generator) -> Sample:
    label_HW = np.random.default_rng(index).integers(0, CLASSES, SIZE).astype(np.uint8)
    return f"source-{index}", image_of(label_HW, 0, generator), label_HW


def target_at(index: int, generator: np.random.Generator) -> Sample:
    label_HW = np.random.default_rng(1000 + index).integers(0, CLASSES, SIZE).astype(np.uint8)
    return f"target-{index}", image_of(label_HW, 100, generator), np.full_like(label_HW, IGNORE)


def streams(seed: int = 3) -> list[Stream]:
    return [Stream("source", source_at, 6, 2, seed), Stream("target", target_at, 6, 2, seed)]


def batch_of(labels_ignored: bool = False) -> Batch:
    source, target = (stream.at(0) for stream in streams())
    if labels_ignored:
        source = source._replace(label_NHW=torch.full_like(source.label_NHW, IGNORE))
    return {"source": source, "target": target}


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def alignment(method: str, main: float = 0.5, auxiliary: float = 0.1) -> Alignment:
    levels = Levels(main, auxiliary)
    return {
        "minent": lambda: minent(levels),
        "advent": lambda: advent(levels, CLASSES, drawn()),
        "adaptsegnet": lambda: adaptsegnet(levels, CLASSES, drawn(), gan="vanilla"),
        "adaptsegnet-ls": lambda: adaptsegnet(levels, CLASSES, drawn(), gan="ls"),
        "style": lambda: style(levels, CLASSES, drawn(), weight=main, statistic="adversarial"),
        "style-gram": lambda: style(levels, CLASSES, drawn(), weight=main, statistic="gram"),
        "style-mean-std": lambda: style(levels, CLASSES, drawn(), weight=main, statistic="mean-std"),
    }[method]()


METHODS = ["minent", "advent", "adaptsegnet", "adaptsegnet-ls", "style", "style-gram", "style-mean-std"]
ADVERSARIAL = [method for method in METHODS if method != "minent"]


def adversary_of(chosen: Alignment, rate: float = 1e-3) -> Adversary | None:
    return make_adversary(chosen, Discriminators(learning_rate=rate), Schedule(name="constant"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    folder: Path,
    chosen: Alignment | None,
    *,
    steps: int = 8,
    objective: Objective | None = None,
    checkpoint_every: int = 100,
    discriminator_rate: float = 1e-3,
) -> tuple[TinyNet, Adversary | None]:
    model = TinyNet()
    optimiser = make_optimiser(model.parameter_groups(), Optimiser(learning_rate=0.003))
    adversary = None if chosen is None else adversary_of(chosen, discriminator_rate)
    own = supervised if chosen is None else chosen.generator_terms
    plan = Plan(steps, Schedule(), 1.0, checkpoint_every, 100, 1, False)
    used = streams() if chosen is not None else streams()[:1]
    train(model, objective or own, used, optimiser, plan, CPU, folder, name="t", seed=3, adversary=adversary)
    return model, adversary


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for (name, expected), found in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(expected, found), name


# ------------------------------------------------------------------------------------------------- who learns from what


@pytest.mark.parametrize("method", ADVERSARIAL)
def test_the_networks_terms_leave_the_discriminators_alone_and_theirs_leave_the_network_alone(method: str) -> None:
    model, chosen, batch = TinyNet(), alignment(method), batch_of()
    for _, loss in chosen.generator_terms(model, batch):
        loss.backward()
    assert all(parameter.grad is None for parameter in chosen.discriminators.parameters())
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad(set_to_none=True)
    for _, loss in chosen.discriminator_terms(model, batch):
        loss.backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in chosen.discriminators.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_the_alignments_gradient_is_that_of_the_unlabelled_images(method: str) -> None:
    """The second term alone, with the labelled images' part detached, moves the network."""
    model, chosen = TinyNet(), alignment(method)
    terms = chosen.generator_terms(model, batch_of(labels_ignored=True))
    name, loss = next(terms)
    assert (name, float(loss.detach())) == ("source", 0.0)
    loss.backward()
    assert all(not parameter.grad.any() for parameter in model.parameters())  # nothing to learn from ignored labels
    name, loss = next(terms)
    assert name == "alignment"
    loss.backward()
    assert float(model.body.weight.grad.abs().sum()) > 0
    assert torch.isfinite(loss)


def test_a_loss_of_each_player_is_told() -> None:
    model, chosen, batch = TinyNet(), alignment("style"), batch_of()
    assert [name for name, _ in chosen.generator_terms(model, batch)] == ["source", "alignment"]
    told = [name for name, _ in chosen.discriminator_terms(model, batch)]
    assert told == [f"discriminator-{name}" for name in ("main", "auxiliary", "style-1", "style-2")]


def test_labelled_and_unlabelled_images_are_two_streams_of_any_name() -> None:
    batch = batch_of()
    halves: Batch = {"easy": batch["source"], "hard": batch["target"]}
    chosen = advent(Levels(0.5, 0.0), CLASSES, drawn(), labelled="easy", unlabelled="hard")
    usual = alignment("advent", auxiliary=0.0)
    found = [(name, float(loss.detach())) for name, loss in chosen.generator_terms(TinyNet(), halves)]
    torch.manual_seed(0)
    assert [name for name, _ in found] == ["easy", "alignment"]
    torch.manual_seed(5)
    first = [float(loss.detach()) for _, loss in chosen.generator_terms(TinyNet(), halves)]
    torch.manual_seed(5)
    assert first == [float(loss.detach()) for _, loss in usual.generator_terms(TinyNet(), batch)]


def textbook_step(
    model: TinyNet,
    players: dict[str, nn.Module],
    batch: Batch,
    learns: torch.optim.Optimizer,
    plays: torch.optim.Optimizer,
) -> None:
    """AdvEnt's step as one would write it down: losses by hand, gradients asked for by name, both steps at the end."""
    source, target = batch["source"], batch["target"]
    maps: dict[str, list[Tensor]] = {"main": [], "auxiliary": []}
    loss = torch.zeros(())
    for labelled in (source, target):
        for (level, seen), logits, share in zip(
            maps.items(), model(model.preprocessing(labelled.image_N3HW)), (1, 0.1), strict=True
        ):
            if labelled is source:
                loss = loss + share * functional.cross_entropy(logits, source.label_NHW.long())
            prob = logits.softmax(1)
            seen.append(-prob * prob.log2() / np.log2(CLASSES))
            if labelled is target:
                loss = (
                    loss + {"main": 0.5, "auxiliary": 0.1}[level] * functional.softplus(players[level](seen[1])).mean()
                )
    parameters = list(model.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    for level, (first, second) in maps.items():
        of_first = functional.softplus(players[level](first.detach())).mean()
        of_second = functional.softplus(-players[level](second.detach())).mean()
        own = list(players[level].parameters())
        for parameter, gradient in zip(own, torch.autograd.grad((of_first + of_second) / 2, own), strict=True):
            parameter.grad = gradient
    learns.step()
    plays.step()


def test_advents_step_is_the_textbook_step() -> None:
    networks, alignments = (TinyNet(), TinyNet()), (alignment("advent"), alignment("advent"))
    learns = [torch.optim.SGD(network.parameters(), lr=0.1) for network in networks]
    plays = [torch.optim.SGD(chosen.discriminators.parameters(), lr=0.5) for chosen in alignments]
    for network in networks:
        network.dropout.p = 0.0
    alignments[1].discriminators.requires_grad_(True)
    for step in range(3):
        batch = {stream.name: stream.at(step) for stream in streams()}
        training_step(networks[0], alignments[0].generator_terms, batch, learns[0], None, CPU)
        training_step(networks[0], alignments[0].discriminator_terms, batch, plays[0], None, CPU)
        textbook_step(networks[1], dict(alignments[1].discriminators.items()), batch, learns[1], plays[1])
    for ours, theirs in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(*(chosen.discriminators.parameters() for chosen in alignments), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ they work


Read = Callable[[Outputs], Tensor]


def probabilities(outputs: Outputs) -> Tensor:
    return outputs.prob("main").mean(dim=(0, 2, 3))


def information(outputs: Outputs) -> Tensor:
    return self_information(outputs.prob("main")).mean(dim=(0, 2, 3))


def second_block(statistic: Callable[[Tensor], Tensor]) -> Read:
    def read(outputs: Outputs) -> Tensor:
        assert outputs.front is not None
        return statistic(outputs.front[1]).mean(dim=0).flatten()

    return read


def outputs_of(model: SegmentationModel) -> list[Outputs]:
    model.eval()
    with torch.no_grad():
        return [forward_batch(model, labelled, front=True) for labelled in batch_of().values()]


def distance(model: SegmentationModel, read: Read) -> float:
    """How far source and target are apart in the network's eyes, in what an alignment reads of them."""
    first, second = (read(outputs) for outputs in outputs_of(model))
    return float((first - second).abs().sum())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TinyNet:
    """The network that was trained without an alignment, for as long."""
    return run(tmp_path_factory.mktemp("plain"), None, steps=LONG)[0].eval()


@pytest.mark.parametrize("method", ADVERSARIAL)
def test_discriminators_learn_to_tell_a_planted_shift(method: str, plain: TinyNet) -> None:
    chosen, told = alignment(method), []
    adversary = adversary_of(chosen)
    assert adversary is not None
    for step in range(60):
        batch = {stream.name: stream.at(step) for stream in streams()}
        list(chosen.generator_terms(plain, batch))  # the network looks and learns nothing
        told.append(training_step(plain, adversary.objective, batch, adversary.optimiser, None, CPU))
    for name in told[0]:
        first, last = float(told[0][name]), sum(float(losses[name]) for losses in told[-10:]) / 10
        assert last < 0.6 * first, f"{name}: {first} -> {last}"


@pytest.mark.parametrize(
    ("method", "read"),
    [
        ("advent", information),
        ("adaptsegnet", probabilities),
        ("adaptsegnet-ls", probabilities),
        ("style", probabilities),
    ],
)
def test_playing_against_discriminators_brings_the_domains_closer(
    method: str, read: Read, plain: TinyNet, tmp_path: Path
) -> None:
    aligned, _ = run(tmp_path, alignment(method, 1.0, 0.0), steps=LONG, discriminator_rate=3e-3)
    assert distance(aligned, read) < 0.5 * distance(plain, read)


@pytest.mark.parametrize(
    ("statistic", "read"),
    [
        ("adversarial", second_block(channel_means)),
        ("mean-std", second_block(channel_means_and_deviations)),
        ("gram", second_block(gram_matrix)),
    ],
)
def test_style_alone_brings_the_front_features_closer(
    statistic: StyleStatistic, read: Read, plain: TinyNet, tmp_path: Path
) -> None:
    chosen = style(Levels(0.0, 0.0), CLASSES, drawn(), weight=1.0, statistic=statistic)
    aligned, adversary = run(tmp_path, chosen, steps=LONG, discriminator_rate=3e-3)
    assert (adversary is not None) == (statistic == "adversarial")
    assert distance(aligned, read) < 0.8 * distance(plain, read)


def test_minimising_entropy_makes_the_target_certain(plain: TinyNet, tmp_path: Path) -> None:
    aligned, adversary = run(tmp_path, alignment("minent", 1.0, 0.0), steps=LONG)
    assert adversary is None
    after, before = (float(mean_entropy(outputs_of(model)[1].prob("main"))) for model in (aligned, plain))
    assert after < 0.75 * before


# ------------------------------------------------------------------------------------------------- nothing to align


def test_a_weight_of_0_leaves_its_part_out() -> None:
    assert list(alignment("advent", 0.5, 0.0).losses) == ["main"]
    assert list(alignment("adaptsegnet", 0.0, 0.5).discriminators) == ["auxiliary"]
    assert list(alignment("style", 0.0, 0.0).losses) == []
    assert list(style(Levels(0.0, 0.0), CLASSES, drawn(), weight=1.0, statistic="gram").discriminators) == []


def test_a_tiny_weight_is_hardly_an_alignment(tmp_path: Path) -> None:
    """Discriminators that play with next to no weight leave the network as if they were not there."""
    model, twin = TinyNet(), TinyNet()
    chosen = alignment("style", 1e-30, 1e-30)
    optimisers = [torch.optim.SGD(network.parameters(), lr=0.1) for network in (model, twin)]
    batch = batch_of()
    torch.manual_seed(1)
    training_step(model, chosen.generator_terms, batch, optimisers[0], None, CPU)
    torch.manual_seed(1)
    training_step(twin, supervised, batch, optimisers[1], None, CPU)
    assert_same(model, twin)


@pytest.mark.parametrize("method", METHODS)
def test_labels_that_are_all_ignored_leave_every_loss_finite(method: str) -> None:
    model, chosen, batch = TinyNet(), alignment(method), batch_of(labels_ignored=True)
    optimiser, adversary = torch.optim.SGD(model.parameters(), lr=0.1), adversary_of(chosen)
    losses = training_step(model, chosen.generator_terms, batch, optimiser, None, CPU)
    if adversary is not None:
        losses |= training_step(model, adversary.objective, batch, adversary.optimiser, None, CPU)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_alignments_work_in_half_precision(method: str) -> None:
    model, chosen, batch = TinyNet(), alignment(method), batch_of()
    half = select_device("cpu", "bfloat16")
    optimiser, adversary = torch.optim.SGD(model.parameters(), lr=0.1), adversary_of(chosen)
    losses = training_step(model, chosen.generator_terms, batch, optimiser, None, half)
    if adversary is not None:
        losses |= training_step(model, adversary.objective, batch, adversary.optimiser, None, half)
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())


# --------------------------------------------------------------------------------------------------- resume, schedule


class Dies:
    """A network's objective that is killed at a step."""

    def __init__(self, objective: Objective, step: int) -> None:
        self.objective, self.left = objective, step

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        if self.left == 0:
            raise RuntimeError("killed")
        self.left -= 1
        yield from self.objective(model, batch)


@pytest.mark.parametrize("method", ["minent", "advent", "style"])
def test_a_killed_run_ends_with_the_same_network_and_the_same_discriminators(method: str, tmp_path: Path) -> None:
    at_once, its_adversary = run(tmp_path / "at-once", alignment(method), checkpoint_every=3)
    chosen = alignment(method)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", chosen, objective=Dies(chosen.generator_terms, 5), checkpoint_every=3)
    resumed, adversary = run(tmp_path / "killed", alignment(method), checkpoint_every=3)
    assert_same(at_once, resumed)
    states = [
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["adversary"] for name in ("at-once", "killed")
    ]
    if method == "minent":
        assert its_adversary is None
        assert states == [None, None]
        return
    assert its_adversary is not None
    assert adversary is not None
    assert_same(its_adversary.module, adversary.module)
    moments = [state["optimiser"]["state"] for state in states]
    for parameter, state in moments[0].items():
        for name, value in state.items():
            assert torch.equal(value, moments[1][parameter][name]), name


def test_discriminators_follow_their_own_schedule(tmp_path: Path) -> None:
    seen = []

    class Recorded(torch.optim.SGD):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            seen.append(self.param_groups[0]["lr"])

    chosen = alignment("advent")
    optimiser = Recorded([{"params": chosen.discriminators.parameters(), "lr": 1.0, "base_rate": 2.0}])
    schedule = Schedule(name="exponential", every=4)
    adversary = Adversary(chosen.discriminators, chosen.discriminator_terms, optimiser, schedule)
    model = TinyNet()
    plan = Plan(3, Schedule(name="constant"), None, 100, 1, 1, False)
    network_s = make_optimiser(model.parameter_groups(), Optimiser())
    train(
        model, chosen.generator_terms, streams(), network_s, plan, CPU, tmp_path, name="t", seed=1, adversary=adversary
    )
    assert seen == pytest.approx([2.0, 2.0 * 0.1**0.25, 2.0 * 0.1**0.5])


def test_discriminators_of_whole_images_judge_the_mean_of_each_image_s_map() -> None:
    alignment = advent(Levels(0.5, 0.0), 10, torch.Generator().manual_seed(1), network="image")
    (loss,) = alignment.losses.values()
    assert isinstance(loss, Adversarial)
    logits_NC11 = torch.randn(4, 10, 1, 1, generator=torch.Generator().manual_seed(2))
    seen_NC11 = loss.read(Outputs(logits_NC11.expand(-1, -1, 28, 28)))
    assert seen_NC11.shape == (4, 10, 1, 1)
    torch.testing.assert_close(seen_NC11, self_information(logits_NC11.softmax(dim=1)))  # one answer for all pixels
    by_hand = functional.binary_cross_entropy_with_logits(loss.discriminator(seen_NC11), torch.zeros(4, 1, 1, 1))
    outputs = Outputs(logits_NC11.expand(-1, -1, 28, 28))
    torch.testing.assert_close(loss.generator_loss(outputs, outputs), 0.5 * by_hand)
