"""`roundabout compare`: two runs in figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cache.reader import CacheReader
from pipeline.cli import app
from pipeline.commands.compare import entries_of
from pipeline.common.files import read_json, write_json
from pipeline.params import read_params
from pipeline.viewer.compare import compare_runs, most_changed
from pipeline.viewer.inspector import Inspector


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments])


def evaluated(name: str, iou: float) -> None:
    metrics = {"mIoU": iou, "pseudo_labels": {"coverage": 0.5, "precision": 0.9 + iou / 10}}
    write_json(Path("runs") / name / "metrics.json", metrics)
    write_json(Path("runs") / name / "per_class.json", {"road": {"IoU": iou}, "car": {"IoU": None}})


def test_results_thresholds_and_selections_stand_beside_each_other(project: Path) -> None:
    evaluated("lse-1", 0.25)
    evaluated("lse-2", 0.5)
    inspector = Inspector([])
    runs = inspector.run("lse-1"), inspector.run("lse-2")
    comparison = compare_runs(
        *runs, {"lse-1": {"portion": 0.5, "method": "lse"}, "lse-2": {"portion": 0.6, "method": "lse"}}
    )
    assert comparison.metrics["mIoU"] == (0.25, 0.5)
    assert comparison.metrics["pseudo-label precision"] == pytest.approx((0.925, 0.95))
    assert comparison.params == {"portion": (0.5, 0.6)}
    selected = [set(read_json(Path(f"runs/{name}/selection/selection.json"))["images"]) for name in ("lse-1", "lse-2")]
    assert comparison.selected == (len(selected[0]), len(selected[1]), len(selected[0] & selected[1]))
    road = next(row for row in comparison.classes if row.name == "road")
    thresholds = [
        read_json(Path(f"runs/{name}/selection/selection.json"))["thresholds"][0] for name in ("lse-1", "lse-2")
    ]
    assert road.iou == (0.25, 0.5) and road.threshold == pytest.approx(thresholds)
    assert sum(row.share[0] or 0 for row in comparison.classes) == pytest.approx(1)


def test_the_images_that_changed_most_are_named(project: Path) -> None:
    inspector = Inspector([])
    runs = inspector.run("lse-1"), inspector.run("lse-2")
    changed = most_changed(*runs, 2)
    readers = [CacheReader(Path("runs") / name / "cache") for name in ("lse-1", "lse-2")]
    expected = {
        image_id: (readers[0].label(number) != readers[1].label(number)).mean()
        for number, image_id in enumerate(readers[0].image_ids)
    }
    assert changed == sorted(expected.items(), key=lambda pair: -pair[1])[:2]
    assert most_changed(*runs, 0) == []


def test_the_command_prints_both(project: Path) -> None:
    evaluated("lse-1", 0.25)
    answer = call("lse-1", "cbst-1", "--images", "1")
    assert answer.exit_code == 0, answer.output
    for words in ("mIoU", "25.0", "params: method", "cbst", "images selected", "% of the pixels changed in 0"):
        assert words in answer.stdout


def test_of_two_rounds_it_shows_how_they_train_where_that_differs(project: Path) -> None:
    params = read_params()
    changes = {"steps": 7, "batch": params.adapt.batch}
    rounds = params.rounds | {"lse-2": params.round("lse-2").model_copy(update={"adapt": changes})}
    changed = params.model_copy(update={"rounds": rounds})
    one, other = (entries_of(changed, ("lse-1", "lse-2"))[name] for name in ("lse-1", "lse-2"))
    differing = {key: (value, other[key]) for key, value in one.items() if value != other[key]}
    assert differing["adapt.steps"] == (params.adapt.steps, 7)
    assert set(differing) == {"adapt.steps", "init", "portion"}
    assert one.keys() == other.keys()
    assert "adapt.steps" not in entries_of(changed, ("source-only", "lse-1"))["lse-1"]


def test_of_two_initial_models_it_shows_how_they_train(project: Path) -> None:
    params = read_params()
    control = params.initial_model("source-only").model_copy(update={"pretrain": {"steps": 7}})
    changed = params.model_copy(update={"initial_models": params.initial_models | {"control": control}})
    one, other = entries_of(changed, ("source-only", "control")).values()
    differing = {key: (value, other[key]) for key, value in one.items() if value != other[key]}
    assert differing == {"pretrain.steps": (params.pretrain.steps, 7)}
    assert one.keys() == other.keys()


def test_the_command_says_whose_network_answered(project: Path) -> None:
    """IoU is of the network that a round trains, shares are of the one that it begins with."""
    answer = call("lse-1", "lse-2", "--images", "1")
    assert answer.exit_code == 0, answer.output
    assert "differ most between the cache of lse-1 (source-only) and the cache of lse-2 (lse-1):" in answer.stdout
    head = answer.stdout[answer.stdout.index("IoU and shares") : answer.stdout.index("│ road")]
    cells = zip(*(line.strip("┃").split("┃") for line in head.splitlines() if line.startswith("┃")), strict=True)
    heads = [" ".join(" ".join(cell).split()) for cell in cells]
    assert heads[5:7] == ["share in the cache of lse-1 (source-only)", "share in the cache of lse-2 (lse-1)"]


def test_an_evaluation_of_the_selection_before_is_left_out(project: Path) -> None:
    for name, iou in (("lse-1", 0.25), ("lse-2", 0.5)):
        evaluated(name, iou)
    path = Path("runs/lse-2/metrics.json")
    write_json(path, read_json(path) | {"pseudo_labels": {"coverage": 0.5, "selection": "another"}})
    answer = call("lse-1", "lse-2")
    assert answer.exit_code == 0, answer.output
    assert "lse-2: its evaluation is of the cache or selection before; it is not shown" in answer.stdout
    assert "25.0" in answer.stdout and "50.0 " not in answer.stdout.split("Classes")[0].split("mIoU")[1].split("\n")[0]


def test_a_cut_file_of_an_evaluation_is_named(project: Path) -> None:
    evaluated("lse-1", 0.25)
    Path("runs/lse-1/metrics.json").write_text('{"mIoU": 0.')
    answer = call("lse-1", "lse-2")
    assert answer.exit_code == 1 and "runs/lse-1/metrics.json: cannot be read" in answer.stderr


def test_runs_without_anything_to_compare_are_refused(project: Path) -> None:
    (project / "runs" / "source-only").mkdir()
    answer = call("source-only", "lse-1")
    assert answer.exit_code == 1 and "neither is evaluated" in answer.stderr
    answer = call("lse-1", "lse-7")
    assert answer.exit_code == 1 and "there is no run 'lse-7'" in answer.stderr
