"""The control of a round: the same initial model, trained for at least as many steps as the round's chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.common.files import write_json
from pipeline.params import Params
from pipeline.report.answers import control_sentence
from pipeline.report.control import control_of, control_to_add
from pipeline.report.seed_set import Bundle, SeedSet
from tests.report.records import record_of_runs, round_record, run_record


def params_of(tiny_params: dict[str, Any], **controls: dict[str, Any]) -> Params:
    """Two steps of pretraining, and two rounds of two steps, of which the second has three of its own."""
    tiny_params["rounds"]["lse-2"]["adapt"] = {"steps": 3}
    tiny_params["initial_models"] |= controls
    return Params.model_validate(tiny_params)


def test_the_shortest_that_is_long_enough_is_taken(tiny_params: dict[str, Any]) -> None:
    lengths = {"short": 6, "right": 7, "long": 20}
    controls = {name: {"supervision": "source", "pretrain": {"steps": steps}} for name, steps in lengths.items()}
    params = params_of(tiny_params, **controls)
    assert control_of(params, "lse-1") == "short"  # 2 + 2 steps
    assert control_of(params, "lse-2") == "right"  # 2 + 2 + 3 steps


def test_neither_the_initial_model_itself_nor_the_oracle_is_one(tiny_params: dict[str, Any]) -> None:
    tiny_params["initial_models"]["oracle"]["pretrain"] = {"steps": 50}
    assert control_of(params_of(tiny_params), "lse-2") is None


def test_a_length_in_epochs_has_none(tiny_params: dict[str, Any]) -> None:
    control = {"supervision": "source", "pretrain": {"steps": 50}}
    tiny_params["rounds"]["lse-1"]["adapt"] = {"epochs": 1.0}
    assert control_of(params_of(tiny_params, control=control), "lse-1") is None


def seed_set_of(*values_of_seeds: tuple[float, float | None]) -> SeedSet:
    """A round and its control, by seed."""
    bundles = []
    for seed, (value, control) in enumerate(values_of_seeds, start=1):
        runs = [
            run_record("source-only", "initial", 0.2),
            run_record("longer", "initial", control),
            round_record("lse-1", value, control="longer"),
        ]
        bundles.append(Bundle(record_of_runs(runs, seed), {}, {}, Path()))
    return SeedSet(bundles)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([(0.30, 0.25)], "5.0 points above its control (longer)"),
        ([(0.30, 0.25)], "more than training on the source alone earns."),
        ([(0.25, 0.30)], "5.0 points below its control (longer)"),
        ([(0.25, 0.30)], "more training on the source earns as much."),
        ([(0.30, 0.25), (0.20, 0.25)], "no more than the spread over the seeds."),
    ],
)
def test_the_report_says_on_which_side_of_its_control_a_round_is(values: list[tuple[float, float]], words: str) -> None:
    assert words in control_sentence(seed_set_of(*values), "lse-1")


def test_without_an_evaluated_control_it_says_so() -> None:
    assert control_sentence(seed_set_of((0.3, None)), "lse-1").startswith(" No control with equal steps was run")


def test_the_line_that_adds_a_control_gives_one(tiny_params: dict[str, Any]) -> None:
    tiny_params["initial_models"]["source-only"]["pretrain"] = {"steps": 5, "batch": 3}
    params = params_of(tiny_params, control={"supervision": "source", "pretrain": {"steps": 2}})
    line = control_to_add(params, "lse-2")
    assert line is not None and line.startswith("control-2: {supervision: source") and len(line.splitlines()) == 1
    added = YAML(typ="safe").load(line)
    assert added["control-2"]["pretrain"] == {"steps": 10, "batch": 3}  # 5 + 2 + 3 steps, as source-only trains
    with_control = params_of(tiny_params, **added)
    assert control_of(with_control, "lse-2") == "control-2"
    assert control_to_add(with_control, "lse-2") is None


def test_lengths_in_epochs_get_no_line(tiny_params: dict[str, Any]) -> None:
    tiny_params["rounds"]["lse-1"]["adapt"] = {"epochs": 1.0}
    assert control_to_add(params_of(tiny_params), "lse-1") is None


def test_the_results_say_whether_the_last_round_beats_its_control(
    tiny_params: dict[str, Any],
    write_params: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny_params["initial_models"]["longer"] = {"supervision": "source", "pretrain": {"steps": 6}}
    write_params(tiny_params)
    monkeypatch.chdir(tmp_path)
    for name, value in (("source-only", 0.2), ("longer", 0.25), ("lse-1", 0.24), ("lse-2", 0.31)):
        write_json(Path("runs") / name / "metrics.json", {"mIoU": value})
        write_json(Path("runs") / name / "per_class.json", {"road": {"IoU": value}})
    printed = " ".join(CliRunner().invoke(app, ["results"]).output.split())
    assert "LSE gains 11.0 points of mIoU in 2 rounds: 20.0 → 31.0" in printed
    assert printed.count("control (longer)") == 1 and "It is 6.0 points above its control (longer)" in printed
    assert "Is it the seed? Train with two more:" in printed
