"""One report of several workspaces: what is collected, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.common.errors import ReadableError
from pipeline.report.merge_seeds import merge_seeds
from tests.report.records import made_by, record_of_runs, round_record, run_record

Write = Callable[..., Path]


def record(seed: int, value: float, **params: Any) -> dict[str, Any]:
    return record_of_runs([run_record("source-only", "initial", 0.4), round_record("lse-1", value)], seed, **params)


def test_seeds_become_one_report(write_workspace: Write, tmp_path: Path) -> None:
    folders = [write_workspace(f"seed-{seed}", record(seed, 0.4 + 0.01 * seed)) for seed in (1, 2, 3)]
    found = merge_seeds(folders, tmp_path / "out")
    assert found.seeds == [1, 2, 3]
    assert "gains 2.0 ± 1.0 points" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_other_params_are_refused_by_name(write_workspace: Write, tmp_path: Path) -> None:
    first, other = record(1, 0.5), record(2, 0.5, **{"adapt.steps": 90, "dump.batch": 4})
    folders = [write_workspace("one", first), write_workspace("two", other)]
    with pytest.raises(ReadableError, match="in more than the seed") as error:
        merge_seeds(folders, tmp_path / "out")
    assert "two: its params differ" in str(error.value)
    assert "- adapt.steps: 60 there, 90 here" in str(error.value)
    assert "- dump.batch: None there, 4 here" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_seed_that_is_there_twice_is_refused(write_workspace: Write, tmp_path: Path) -> None:
    folders = [write_workspace(name, record(1, 0.5)) for name in ("one", "two")]
    with pytest.raises(ReadableError, match=r"two: has seed 1, as .*one has"):
        merge_seeds(folders, tmp_path / "out")


def test_other_data_is_refused_but_generated_streets_follow_the_seed(write_workspace: Write, tmp_path: Path) -> None:
    records = [record(1, 0.5), record(2, 0.5)]
    records[1]["data"] = {"target": {"layout": "folder", "images": 4, "hash": "other"}}
    folders = [write_workspace(f"w{number}", one) for number, one in enumerate(records)]
    with pytest.raises(ReadableError, match="w1: its target images or labels are not those of"):
        merge_seeds(folders, tmp_path / "out")
    for number, one in enumerate(records):
        one["data"]["target"]["layout"] = "streets"
        write_workspace(f"w{number}", one)
    assert merge_seeds(folders, tmp_path / "out").seeds == [1, 2]


def test_a_run_that_only_one_has_is_named(write_workspace: Write, tmp_path: Path) -> None:
    less = record_of_runs([run_record("source-only", "initial", 0.4)], 2)
    folders = [write_workspace("one", record(1, 0.5)), write_workspace("two", less)]
    with pytest.raises(ReadableError, match="two: lse-1: evaluated in only one of it and"):
        merge_seeds(folders, tmp_path / "out")


def test_a_workspace_without_a_report_says_what_to_run(write_workspace: Write, tmp_path: Path) -> None:
    with pytest.raises(ReadableError, match=r"results.json: there is no such file; run `dvc repro` in"):
        merge_seeds([tmp_path / "nowhere"], tmp_path / "out")
    folder = write_workspace("old", record(1, 0.5) | {"format": None})
    with pytest.raises(ReadableError, match="has format None, this version reads 2"):
        merge_seeds([folder], tmp_path / "out")
    (folder / "report" / "made.json").write_text("{")
    with pytest.raises(ReadableError, match=r"made.json: is not JSON"):
        merge_seeds([folder], tmp_path / "out")
    with pytest.raises(ReadableError, match="name at least one workspace"):
        merge_seeds([], tmp_path / "out")


def test_seeds_of_different_code_are_told_on_the_page(write_workspace: Write, tmp_path: Path) -> None:
    other = made_by() | {"git": {"revision": "fedcba9876543210", "changed": ["a.py"]}}
    folders = [write_workspace("one", record(1, 0.5)), write_workspace("two", record(2, 0.5), other)]
    merge_seeds(folders, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    (warning,) = re.findall(r'<p class="warning">([^<]*)', page)
    assert "fedcba987654, 1 file changed since" in warning


def test_the_command_prints_where_the_report_is(write_workspace: Write, tmp_path: Path) -> None:
    folders = [str(write_workspace(f"seed-{seed}", record(seed, 0.5))) for seed in (1, 2)]
    answer = CliRunner().invoke(app, ["report", *folders, "--out", str(tmp_path / "out")])
    assert answer.exit_code == 0
    assert "index.html: 2 runs, seeds 1, 2" in answer.output
    answer = CliRunner().invoke(app, ["report", folders[0], folders[0], "--out", str(tmp_path / "out")])
    assert answer.exit_code == 1
    assert "has seed 1" in answer.output
