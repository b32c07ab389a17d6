"""The command `roundabout`: what it says and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from ast import literal_eval
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import PANELS, app, load
from pipeline.commands.use import PRESETS
from pipeline.common.files import write_json
from tests.health.records import health_record

Write = Callable[[dict[str, Any]], Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))  # no repository above counts
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def words(text: str) -> str:
    """The text without the line breaks and frames of a narrow terminal."""
    return " ".join(text.split())


# -------------------------------------------------------------------------------------------------------------- check


def test_check_says_that_all_is_well(tiny_params: dict, write_params: Write) -> None:
    write_params(tiny_params)
    answer = call("check")
    assert answer.exit_code == 0
    assert words(answer.output) == "params.yaml is fine: 2 initial models, 2 rounds"


def test_check_lists_every_problem_of_the_params(tiny_params: dict, write_params: Write) -> None:
    del tiny_params["model"]
    tiny_params["lse"]["patchse"] = 3
    write_params(tiny_params)
    answer = call("check")
    assert answer.exit_code == 1
    assert "params.yaml: 2 problems" in answer.output
    assert "- model: is missing" in answer.output
    assert "- lse.patchse: unknown key; did you mean 'patches'?" in answer.output


def test_check_lists_every_problem_of_the_data(here: Path, tiny_params: dict, write_params: Write) -> None:
    (here / "own" / "images").mkdir(parents=True)
    (here / "own" / "images" / "a.png").write_bytes(b"")
    unlabelled = {"layout": "folder", "root": "own", "labels": None}
    tiny_params["data"] |= {
        "source": {"layout": "cityscapes", "root": "nowhere", "split": "train"},
        "target": unlabelled,
        "evaluation": unlabelled,
    }
    tiny_params["model"]["weights"] = "no.pth"
    write_params(tiny_params)
    answer = call("check")
    said = words(answer.output)
    assert answer.exit_code == 1
    assert "params.yaml: 5 problem(s) with the data" in said
    assert "- data.target: own/images/a.png: is an empty file" in said
    assert "- data.source: " in said
    assert "initial_models.oracle: needs labels of the target, and data.target has none" in said
    assert "- data.evaluation: " in said
    assert "has no label, and labels are needed here" in said
    assert "- model.weights: no.pth: there is no such file" in said


def test_a_long_message_is_not_broken_in_the_middle_of_a_path(here: Path) -> None:
    path = here / ("a-folder-with-a-long-name-" * 4) / "params.yaml"
    assert str(path) in call("check", "--params", str(path)).output


def test_check_without_params_says_how_to_get_some() -> None:
    answer = call("check")
    assert answer.exit_code == 1
    assert "there is no such file; `roundabout use streets` writes one" in words(answer.output)


# ------------------------------------------------------------------------------------------------------------- schema


def test_the_schema_is_json(here: Path) -> None:
    answer = call("schema")
    assert answer.exit_code == 0
    assert "rounds" in json.loads(answer.output)["properties"]
    assert call("schema", "--out", "schema.json").exit_code == 0
    assert json.loads((here / "schema.json").read_text()) == json.loads(answer.output)


# ---------------------------------------------------------------------------------------------------------------- use


def test_use_without_a_name_lists_the_presets_with_what_they_are() -> None:
    answer = call("use")
    assert answer.exit_code == 0
    for preset in PRESETS.glob("*.yaml"):
        assert preset.stem in answer.output
    assert "generated synthetic-to-real pair" in words(answer.output)


def test_use_copies_a_preset_that_passes_the_check(here: Path) -> None:
    assert call("use", "streets").exit_code == 0
    assert (here / "params.yaml").read_bytes() == (PRESETS / "streets.yaml").read_bytes()
    assert call("check").exit_code == 0


def test_use_of_an_unknown_preset_names_the_nearest_or_lists_those_there_are(here: Path) -> None:
    answer = call("use", "street")
    assert answer.exit_code == 1
    assert words(answer.output) == "there is no preset 'street'; did you mean 'streets'?"
    answer = call("use", "mars")
    assert answer.exit_code == 1
    assert "there is no preset 'mars'; choose one of camvid-day-dusk, " in words(answer.output)
    assert not (here / "params.yaml").exists()


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def test_use_keeps_changes_that_are_nowhere_else(here: Path) -> None:
    own = (PRESETS / "streets.yaml").read_text() + "# mine\n"
    (here / "params.yaml").write_text(own)
    answer = call("use", "streets")  # no git repository at all
    assert answer.exit_code == 1
    assert "changes that are not committed; commit them, or use --force" in words(answer.output)
    git("init", "--quiet")
    assert call("use", "streets").exit_code == 1  # not tracked
    assert (here / "params.yaml").read_text() == own
    git("add", "params.yaml")
    assert call("use", "streets").exit_code == 1  # not committed
    assert (here / "params.yaml").read_text() == own


def test_use_replaces_what_git_or_a_preset_has(here: Path) -> None:
    (here / "params.yaml").write_text("# mine, committed\n")
    git("init", "--quiet")
    git("add", "params.yaml")
    git("commit", "--quiet", "-m", "mine")
    for _ in range(2):  # what a preset wrote may be replaced as well, although it is not committed
        assert call("use", "streets").exit_code == 0
    assert (here / "params.yaml").read_bytes() == (PRESETS / "streets.yaml").read_bytes()


def test_force_loses_the_changes(here: Path) -> None:
    (here / "params.yaml").write_text("# mine\n")
    assert call("use", "streets", "--force").exit_code == 0
    assert (here / "params.yaml").read_bytes() == (PRESETS / "streets.yaml").read_bytes()


# ------------------------------------------------------------------------------------------------------------ results


def test_results_without_runs_say_what_to_do(tiny_params: dict, write_params: Write) -> None:
    write_params(tiny_params)
    answer = call("results")
    assert answer.exit_code == 1
    assert words(answer.output) == "nothing has been evaluated yet; run `dvc repro`"


def test_results_show_the_numbers_of_each_run(here: Path, tiny_params: dict, write_params: Write) -> None:
    write_params(tiny_params)
    for name, value in (("source-only", 0.4), ("lse-1", 0.45), ("oracle", 0.6)):
        write_json(here / "runs" / name / "metrics.json", {"mIoU": value})
        write_json(here / "runs" / name / "per_class.json", {"road": {"IoU": value + 0.111}})
    answer = call("results")
    assert answer.exit_code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in answer.output.splitlines() if "│" in line]
    assert ["lse-1", "lse", "45.0", "+5.0", "25 %", "–", "–"] in rows
    assert ["road", "51.1", "56.1", "71.1"] in rows


def test_results_show_the_verdict_on_each_round(here: Path, tiny_params: dict, write_params: Write) -> None:
    write_params(tiny_params)
    for name in ("source-only", "lse-1", "lse-2"):
        write_json(here / "runs" / name / "metrics.json", {"mIoU": 0.4})
        write_json(here / "runs" / name / "per_class.json", {"road": {"IoU": 0.4}})
    write_json(here / "runs" / "lse-1" / "health.json", health_record("holds", "shares agree").as_json())
    reason = "sky has 0.2 % of the pixels where source-only saw 5.1 %: less than 0.3 times"
    write_json(here / "runs" / "lse-2" / "health.json", health_record("fails", reason, "init").as_json())
    answer = call("results")
    assert answer.exit_code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in answer.output.splitlines() if "│" in line]
    assert {row[0]: row[-1] for row in rows if len(row) == 8} == {
        "source-only": "–", "lse-1": "holds", "lse-2": "fails",
    }  # fmt: skip
    lines = [line for line in answer.output.splitlines() if line.startswith("lse-2: ")]
    assert lines == [f"lse-2: fails: {reason}; its result is its init's network (guard)"]
    write_json(here / "runs" / "lse-2" / "health.json", {"format": 0})
    answer = call("results")
    assert answer.exit_code == 0
    problem = "lse-2: runs/lse-2/health.json: is not a verdict of this version; run `dvc repro -f health@lse-2`"
    assert problem in answer.output.splitlines()


def test_a_piped_table_does_not_cut_names(here: Path, tiny_params: dict, write_params: Write) -> None:
    write_params(tiny_params)
    for name in ("source-only", "oracle"):
        write_json(here / "runs" / name / "metrics.json", {"mIoU": 0.4, "large": 0.5, "pixel_accuracy": 0.9})
        write_json(here / "runs" / name / "per_class.json", {"road": {"IoU": 0.4}})
    output = call("results").output
    assert "…" not in output
    assert output.count("source-only") == 2  # in the table of runs and in that of classes


def test_results_with_broken_params_do_not_end_in_a_traceback(here: Path) -> None:
    (here / "params.yaml").write_text("a: [")
    answer = call("results")
    assert answer.exit_code == 1
    assert "is not valid YAML" in words(answer.output)


# ----------------------------------------------------------------------------------------------------------- start-up


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for entry in chain.from_iterable(PANELS.values()):
        own = " ".join((load(entry.name).help or "").split("\n\n")[0].split())
        assert own == entry.help, entry.name


def test_commands_start_without_what_takes_seconds(here: Path) -> None:
    heavy = ("torch", "h5py", "prefect", "dvc", "numba", "networkx", "matplotlib")
    (here / "params.yaml").write_text("seed: 1\nlsee: {}\n")
    code = f"""
import sys
from typer.testing import CliRunner
from pipeline.cli import app
imported = {{}}
for call in (["--help"], ["use"], ["check"], ["status"], ["rounds", "lse"]):
    CliRunner().invoke(app, call)
    imported[" ".join(call)] = sorted(set({heavy}) & set(sys.modules))
    if call == ["--help"]:
        imported["params"] = sorted({{"pipeline.params", "numpy"}} & set(sys.modules))
print(imported)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = literal_eval(answer.stdout)
    assert len(imported) == 6
    assert all(names == [] for names in imported.values()), imported
