"""What `dvc plots` draws, and that it draws it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.files import read_json, write_text
from pipeline.report.metrics_file import write_metrics
from pipeline.report.plot_files import write_plot_files
from tests.report.records import NAMES, record_of_runs, round_record, run_record

ROOT = Path(__file__).resolve().parents[2]
RECORD = record_of_runs(
    [
        run_record("source-only", "initial", 0.4, confusion=[[3, 1], [0, 0]]),
        round_record("lse-1", 0.45),
        round_record("lse-2", None, "lse-1"),
    ]
)


def test_tables_are_flat_and_in_percent(tmp_path: Path) -> None:
    write_plot_files(RECORD, tmp_path)
    assert read_json(tmp_path / "rounds.json") == [
        {"chain": "LSE", "run": "source-only", "round": 0, "percent": 40.0},
        {"chain": "LSE", "run": "lse-1", "round": 1, "percent": 45.0},
    ]
    assert [row["percent"] for row in read_json(tmp_path / "coverage.json")] == [51.2, 51.2]
    assert [row["IoU"] for row in read_json(tmp_path / "classes.json")] == [40.0, 45.0]  # the sky has none
    cells = [row for row in read_json(tmp_path / "confusion.json") if row["run"] == "source-only"]
    assert [(row["truth"], row["prediction"], row["percent"]) for row in cells] == [
        (NAMES[0], NAMES[0], 75.0),
        (NAMES[0], NAMES[1], 25.0),
        (NAMES[1], NAMES[0], None),
        (NAMES[1], NAMES[1], None),
    ]


@pytest.fixture
def dvc(tmp_path: Path) -> Callable[..., str]:
    """Runs dvc in a workspace without git."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def run(*arguments: str) -> str:
        environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
        return subprocess.run(
            ["dvc", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    run("init", "--no-scm", "--quiet")
    return run


def title_of(spec: dict[str, Any]) -> str:
    return spec["title"] if isinstance(spec["title"], str) else spec["title"]["text"]


def test_dvc_plots_show_draws_results_and_curves_with_titles(
    dvc: Callable[..., str], tiny_params: dict[str, Any], write_params: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    write_params(tiny_params)
    shutil.copyfile(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    shutil.copytree(ROOT / "pipeline" / "report" / "plots", tmp_path / "pipeline" / "report" / "plots")
    write_plot_files(RECORD, tmp_path / "report" / "plots")
    write_text(tmp_path / "runs" / "lse-1" / "curves" / "loss" / "patches.tsv", "step\tpatches\n1\t0.5\n2\t0.25\n")
    shown = json.loads(dvc("plots", "show", "--json"))["data"]
    drawn = {name.removeprefix("dvc.yaml::"): plots[0]["content"] for name, plots in shown.items() if plots}
    titles = {name: title_of(spec) for name, spec in drawn.items()}
    assert titles["results by round"] == "The headline metric over the rounds"
    assert titles["coverage by round"] == "Coverage of the pseudo-labels"
    assert titles["precision by round"] == "Precision of the pseudo-labels"
    assert titles["IoU of each class"] == "IoU of each class"
    assert titles["confusion"] == "Where the pixels of each true class went, percent"
    (curve,) = [name for name in drawn if name.endswith("patches.tsv")]
    assert titles[curve] == "lse-1"
    assert not any("<DVC_METRIC" in json.dumps(spec) for spec in drawn.values())
    assert {row["chain"] for row in drawn["results by round"]["data"]["values"]} == {"LSE"}
    assert {row["percent"] for row in drawn["confusion"]["data"]["values"]} >= {75.0, 25.0}


def test_dvc_lists_the_report_s_metrics_and_no_others(
    dvc: Callable[..., str], tiny_params: dict[str, Any], write_params: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    write_params(tiny_params)
    shutil.copyfile(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    write_metrics(RECORD, tmp_path / "report")
    write_text(tmp_path / "runs" / "lse-1" / "metrics.json", '{"mIoU": 0.5}')
    shown = json.loads(dvc("metrics", "show", "--json"))[""]["data"]
    numbers = {file: content["data"] for file, content in shown.items()}
    assert numbers == {"report/metrics.json": {"coverage": 51.2, "precision": 87.6}}  # of lse-2, without an IoU
