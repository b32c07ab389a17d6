"""Two processes (gloo) with an image each have the values of one with both; run as a program, this file is one of them.

# N batch, H/W pixels
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.common.device import select_device
from pipeline.methods.teacher import FeatureDistance, Mask, Teacher, TeacherRound
from pipeline.training.batches import Labelled
from pipeline.training.distributed import process_group, rank, share_normalisation
from pipeline.training.loop import training_step
from pipeline.training.losses import model_regulariser, weighted_cross_entropy
from pipeline.training.teacher.feature_distance import feature_distance
from pipeline.training.teacher.objective import Changes, Reference, TeacherObjective
from pipeline.training.teacher.share_weights import share_weights
from tests.golden_values import teacher_code
from tests.training.teacher.test_iterations_golden import batch_of, network, vector_of


def own_of(labelled: Labelled) -> Labelled:
    """This process's image of a batch; both where it is alone."""
    if "RANK" not in os.environ:
        return labelled
    own = slice(rank(), rank() + 1)
    image_N3HW, label_NHW, ids, draws, _ = labelled
    return Labelled(image_N3HW[own], label_NHW[own], ids[own], draws[own])


def step_of_objective() -> tuple[dict[str, float], list[float]]:
    """Losses of a step with everything that an objective can have, and the networks after it."""
    golden, device = teacher_code(), select_device("cpu", "float32")
    student, teacher = (network(golden[f"mic_start_{name}"]).train() for name in ("student", "teacher"))
    for model in (student, teacher):
        share_normalisation(model, device)
    section = Teacher(
        compat="paper",
        thresholds="both",
        confidence=0.3,
        memory=0.5,
        margins=(0.1, 0.1),
        regulariser=0.1,
        feature_distance=FeatureDistance(weight=0.05),
    )
    entry = TeacherRound(method="teacher", init="start", portion=0.4, mask=Mask(block=8, ratio=0.5, of="target"))
    objective = TeacherObjective(
        section,
        entry,
        np.ones((5, 100), int),
        Changes(None, None),
        seed=0,
        run="two",
        batch=2,
        steps=1,
        reference=Reference(network(golden["mic_start_imagenet"]), [1, 3]),
    ).taught_by(teacher)
    batch = {name: own_of(labelled) for name, labelled in batch_of("mic", 0).items()}
    optimiser = torch.optim.SGD(student.parameters(), lr=0.2)
    losses = training_step(student, objective, batch, optimiser, None, device)
    after = torch.cat([vector_of(student), vector_of(teacher), objective.quota.histogram_CB.flatten().float()])
    return {name: float(loss) for name, loss in losses.items()}, after.tolist()


def values() -> dict[str, Any]:
    """Of this process's image; of both where it is alone."""
    golden = teacher_code()
    own = slice(rank(), rank() + 1) if "RANK" in os.environ else slice(None)
    confidence_NHW = golden["pseudo_logits"][own].softmax(dim=1).amax(dim=1)
    logits_NCHW, label_NHW = golden["loss_logits"][own], golden["loss_labels"][own].clone()
    features = golden["fd_features"][own], golden["fd_features_imagenet"][own], golden["fd_labels"][own, 0]
    distance = feature_distance(*features, golden["fd_classes"].tolist())
    return {
        "share": float(share_weights(confidence_NHW, 0.968, "batch")[0, 0, 0]),
        "share of own image": float(share_weights(confidence_NHW, 0.968)[-1, 0, 0]),
        "weighted": float(weighted_cross_entropy(logits_NCHW, label_NHW, golden["loss_weights"][own])),
        "regulariser": float(model_regulariser(logits_NCHW, label_NHW)),
        "feature_distance": float(0.005 * distance),
        "step": step_of_objective(),
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two processes computed, each."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = {**os.environ, **environment, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env={**environment, "RANK": str(number), "LOCAL_RANK": str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    errors = [process.communicate(timeout=280)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors[0][-3000:] + errors[1][-3000:]
    return [json.loads((folder / f"{number}.json").read_text()) for number in range(2)]


@pytest.mark.parametrize("name", ["share", "weighted", "regulariser", "feature_distance"])
def test_two_processes_have_the_values_of_one(name: str, answers: list[dict[str, Any]]) -> None:
    assert [answer[name] for answer in answers] == pytest.approx([values()[name]] * 2, rel=1e-6)


def test_the_share_of_an_image_does_not_depend_on_the_processes(answers: list[dict[str, Any]]) -> None:
    assert answers[1]["share of own image"] == values()["share of own image"]
    assert answers[0]["share of own image"] != answers[1]["share of own image"]


def test_two_processes_take_the_step_of_one_with_all_that_an_objective_can_have(answers: list[dict[str, Any]]) -> None:
    losses, after = step_of_objective()
    assert list(losses) == ["source", "feature_distance", "mixed", "masked", "trusted"]
    for found_losses, found_after in (answer["step"] for answer in answers):
        assert found_losses == pytest.approx(losses, rel=1e-5)
        assert found_after == pytest.approx(after, abs=1e-6)
    assert answers[0]["step"] == answers[1]["step"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group(select_device("cpu", "float32")):
        (Path(sys.argv[1]) / f"{rank()}.json").write_text(json.dumps(values()))
