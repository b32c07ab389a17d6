"""`roundabout models`: what there is, how large it is, and what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands import models
from pipeline.commands.network_summary import summary
from pipeline.models.build import ARCHITECTURES
from pipeline.models.encoders import ENCODERS


def rows(*arguments: str) -> tuple[list[list[str]], str]:
    answer = CliRunner().invoke(app, ["models", *arguments])
    assert answer.exit_code == 0, answer.output
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in answer.output.splitlines() if "│" in line]
    return lines, answer.output


def test_all_networks_and_own_encoders_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models, "MIX", ("mit-b0",))  # the large ones take seconds each
    monkeypatch.setattr(models, "DINOV2", ("timm/vit_tiny_patch16_224",))
    lines, output = rows("--size", "64", "128")
    assert [line[1] for line in lines if line[0] == "small"] == list(ENCODERS)
    assert {line[0] for line in lines if line[0]} == set(ARCHITECTURES)  # a long name goes on in the next line
    assert "an image of 64x128" in output
    (deeplab,) = [line for line in lines if line[0] == "deeplabv2-resnet101"]
    # 44.6 million with two heads, less the auxiliary one's four branches: 4 (9 · 1024 · 19 + 19) = 0.7 million
    assert deeplab[2:] == ["43.9 million", deeplab[3], "9x17", "any", "a file: docs/models.md"]


def test_timm_s_encoders_are_searched_and_those_that_cannot_be_used_say_why() -> None:
    lines, _ = rows("--search", "test_res", "--size", "64", "128")
    assert ["small", "timm/test_resnet"] in [line[:2] for line in lines]
    lines, _ = rows("--search", "test_vit2", "--size", "64", "128")
    assert [line[1:6] for line in lines] == [["timm/test_vit2", "", "", "", "no pyramid: for vit-linear"]]
    lines, _ = rows("--search", "hiera_tiny_224", "--size", "64", "128")
    assert lines[0][5] == "not 64x128"
    answer = CliRunner().invoke(app, ["models", "--search", "nothing_like_it"])
    assert answer.exit_code == 1
    assert "has no network with 'nothing_like_it' in its name" in answer.output


def test_multiply_adds_are_those_of_the_convolutions_by_hand() -> None:
    """LeNet's: 28x28 to 24x24 with 20 filters of 5x5, 12x12 to 8x8 with 50 of 20x5x5, then 800 to 500 to 10."""
    figures = summary("lenet", "mobilenet-v3-small", 10, (28, 28))
    assert figures.multiply_adds == 24 * 24 * 20 * 25 + 8 * 8 * 50 * 20 * 25 + 800 * 500 + 500 * 10
