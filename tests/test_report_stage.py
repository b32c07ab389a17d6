"""The report of a real, tiny pipeline: made once, idempotent, and DVC's own comparisons beside it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.common.files import read_json
from pipeline.report.merge_seeds import merge_seeds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.usefixtures("warm_stages")]


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_report_of_two_seeds_and_what_dvc_says_of_a_change(tmp_path):
    folders = [tmp_path / f"seed-{seed}" for seed in (1, 2)]
    params = tiny_params()
    params["rounds"].pop("lse-3")
    for seed, folder in enumerate(folders, start=1):
        make_workspace(folder, params | {"seed": seed})
        run(folder, "dvc", "repro")
        assert stages_run(run(folder, "dvc", "repro").stdout) == []
    record = read_json(folders[0] / "report" / "results.json")
    assert [row["name"] for row in record["runs"]] == ["source-only", "lse-1", "lse-2", "oracle"]
    assert record["preset"]["name"] == "streets-lse"
    made = read_json(folders[0] / "report" / "made.json")
    assert made["times"]["adapt@lse-1"]["seconds"] > 0
    page = (folders[0] / "report" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|<script|<link|@import", page)
    assert page.count("<figure") >= 6

    found = merge_seeds(folders, tmp_path / "both")
    assert found.seeds == [1, 2]
    assert "±" in (tmp_path / "both" / "index.html").read_text(encoding="utf-8")

    # the same in a git repository: what do the comparisons say of a changed portion?
    folder = folders[0]
    run(folder, "dvc", "config", "core.no_scm", "--unset")
    git(folder, "init")
    (folder / ".gitignore").write_text("/runs/\n/report/\n/data/\n/.roundabout/\n__pycache__/\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "first")
    params["rounds"]["lse-2"]["portion"] = 1.0
    write_params(folder, params | {"seed": 1})
    run(folder, "dvc", "repro")
    changed = json.loads(run(folder, "dvc", "params", "diff", "--json").stdout)
    assert changed["params.yaml"]["rounds.lse-2.portion"]["new"] == 1.0
    metrics = json.loads(run(folder, "dvc", "metrics", "diff", "--json").stdout)
    assert list(metrics) == ["report/metrics.json"]
    assert {"mIoU", "gain"} & set(metrics["report/metrics.json"])
