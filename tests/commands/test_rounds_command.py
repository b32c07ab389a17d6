"""`roundabout rounds` prints a block that params.yaml accepts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.methods.registry import paper_rounds
from pipeline.params import read_params


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rounds", *arguments])


def block(*arguments: str) -> dict[str, dict[str, Any]]:
    answer = call(*arguments)
    assert answer.exit_code == 0, answer.output
    printed: dict[str, dict[str, Any]] = YAML(typ="safe").load(answer.stdout)["rounds"]
    return printed


@pytest.mark.parametrize("method", paper_rounds())
def test_the_block_is_accepted_by_params(
    tiny_params: dict[str, Any], write_params: Callable[[dict[str, Any]], Path], method: str
) -> None:
    paper = paper_rounds()[method][1]
    tiny_params |= YAML(typ="safe").load(paper.section)
    if paper.besides:
        assert paper.besides in call(method).stdout
        tiny_params["data"]["spatial_prior"] = True
    tiny_params["adapt"]["source_batch"] = tiny_params["adapt"]["batch"]  # a teacher pairs the images of both
    tiny_params["model"] |= {"encoder": "efficientnet-lite0", "pretrained": True}  # a feature distance needs ImageNet's
    tiny_params["rounds"] = block(method)
    params = read_params(write_params(tiny_params))
    assert len(params.rounds) == paper.rounds
    assert [entry.init for entry in params.rounds.values()] == ["source-only", *list(params.rounds)[:-1]]


def test_portions_grow_as_in_the_papers() -> None:
    assert [entry["portion"] for entry in block("lse").values()] == [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4]
    assert [entry["portion"] for entry in block("cbst", "--rounds", "9").values()][-3:] == [0.5, 0.5, 0.5]


def test_rounds_and_their_beginning_can_be_chosen() -> None:
    made = block("cbst", "--rounds", "2", "--init", "advent", "--portion", "0.6")
    assert made == {
        "cbst-1": {"method": "cbst", "init": "advent", "portion": 0.6},
        "cbst-2": {"method": "cbst", "init": "cbst-1", "portion": 0.6},
    }


def test_a_method_that_begins_with_an_alignment_says_with_which() -> None:
    assert "alignment: advent" in call("intrada").stdout
    assert "alignment: style" in call("cada").stdout and "CycleGAN" in call("cada").stdout
    assert "alignment" not in call("cada", "--init", "mine").stdout


def test_digits_have_a_share_of_easy_images_of_their_own() -> None:
    made = block("intrada", "--init", "advent", "--easy", "0.8")
    assert made == {"intrada-1": {"method": "intrada", "init": "advent", "easy": 0.8}}
    assert block("intrada")["intrada-1"]["easy"] == 0.67


@pytest.mark.parametrize(
    ("method", "easy", "said"), [("lse", "0.8", "lse has no easy images"), ("intrada", "1.5", "--easy: is 1.5")]
)
def test_a_share_of_easy_images_that_makes_no_sense_is_told(method: str, easy: str, said: str) -> None:
    answer = call(method, "--easy", easy)
    assert answer.exit_code != 0
    assert said in answer.output


def test_a_portion_that_makes_no_sense_is_refused() -> None:
    for arguments in (("cada", "--portion", "0.2"), ("lse", "--portion", "1.5"), ("lse", "--rounds", "0")):
        assert call(*arguments).exit_code != 0


def test_a_teacher_has_one_round_and_more_where_they_are_asked_for() -> None:
    assert block("teacher") == {"teacher-1": {"method": "teacher", "init": "source-only", "portion": 0.60}}
    assert block("teacher", "--rounds", "2")["teacher-2"] == {"method": "teacher", "init": "teacher-1", "portion": 0.60}


def test_papers_with_a_teacher_differ_by_their_sections_and_masks() -> None:
    masks = {name: block(name)[f"{name}-1"].get("mask") for name in ("dacs", "daformer", "mic")}
    assert masks == {"dacs": None, "daformer": None, "mic": {"block": 32, "ratio": 0.7, "of": "target"}}
    sections = {name: YAML(typ="safe").load(paper_rounds()[name][1].section)["teacher"] for name in masks}
    assert all(section["thresholds"] == "share" and not section["flip"] for section in sections.values())
    assert "margins" not in sections["dacs"] and sections["daformer"] == sections["mic"]
    assert sections["mic"]["feature_distance"] == {"weight": 0.005}


@pytest.mark.parametrize("method", ["teacher", "dacs", "daformer", "mic"])
def test_what_a_teacher_needs_of_the_section_adapt_is_printed(method: str) -> None:
    printed = call(method).stdout
    assert "# adapt.source_batch must equal adapt.batch" in printed
    assert "adapt.ema" in printed and "photometric" in printed


def test_a_method_without_quotas_has_no_portion() -> None:
    answer = call("daformer", "--portion", "0.5")
    assert answer.exit_code != 0
    assert "daformer has no portion" in answer.output
