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

import pytest
import torch

from pipeline.common.device import select_device
from pipeline.training.distributed import process_group, rank
from pipeline.training.losses import model_regulariser, weighted_cross_entropy
from pipeline.training.teacher.feature_distance import feature_distance
from pipeline.training.teacher.share_weights import share_weights
from tests.golden_values import teacher_code


def values() -> dict[str, float]:
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
        "feature distance": float(0.005 * distance),
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
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


@pytest.mark.parametrize("name", ["share", "weighted", "regulariser", "feature distance"])
def test_two_processes_have_the_values_of_one(name: str, answers: list[dict[str, float]]) -> None:
    assert [answer[name] for answer in answers] == pytest.approx([values()[name]] * 2, rel=1e-6)


def test_the_share_of_an_image_does_not_depend_on_the_processes(answers: list[dict[str, float]]) -> None:
    assert answers[1]["share of own image"] == values()["share of own image"]
    assert answers[0]["share of own image"] != answers[1]["share of own image"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group(select_device("cpu", "float32")):
        (Path(sys.argv[1]) / f"{rank()}.json").write_text(json.dumps(values()))
