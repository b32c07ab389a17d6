"""The table of all runs, from what `evaluate` wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.common.errors import ReadableError
from pipeline.common.files import write_json
from pipeline.evaluation.results import baseline, gap_closed, read_result, read_results


def write_run(folder: Path, value: float | None, pseudo: dict | None = None) -> None:
    metrics: dict = {"mIoU": value, "pixel_accuracy": 0.9}
    write_json(folder / "metrics.json", metrics | ({"pseudo_labels": pseudo} if pseudo else {}))
    write_json(folder / "per_class.json", {"road": {"IoU": value, "true_pixels": 5, "predicted_pixels": 6}})


def test_a_run_is_read_with_its_pseudo_labels_apart(tmp_path: Path) -> None:
    by_class = {"road": {"coverage": 0.5, "precision": 0.75}}
    write_run(tmp_path / "lse-1", 0.5, {"images": 3, "coverage": 0.4, "precision": 0.8, "selection": "abc"})
    row = {"IoU": 0.5, "pseudo_label_coverage": 0.5, "pseudo_label_precision": 0.75}
    write_json(tmp_path / "lse-1" / "per_class.json", {"road": row})
    result = read_result(tmp_path / "lse-1", "lse")
    assert result is not None
    assert result.name == "lse-1"
    assert result.metrics == {"mIoU": 0.5, "pixel_accuracy": 0.9}
    assert result.class_iou == {"road": 0.5}
    assert result.pseudo_labels == {"images": 3, "coverage": 0.4, "precision": 0.8}
    assert result.selection == "abc"
    assert result.class_pseudo_labels == by_class


def test_a_run_without_pseudo_labels_has_none_and_names_no_selection(tmp_path: Path) -> None:
    write_run(tmp_path / "source-only", 0.5)
    result = read_result(tmp_path / "source-only", "initial")
    assert result is not None
    assert (result.pseudo_labels, result.class_pseudo_labels, result.selection) == ({}, {}, "")


def test_runs_keep_the_asked_order_and_those_not_evaluated_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "oracle", 0.7)
    write_run(tmp_path / "source-only", 0.4)
    (tmp_path / "lse-1").mkdir()
    write_json(tmp_path / "lse-1" / "metrics.json", {"mIoU": 0.5})  # the other half of it is not there yet
    write_run(tmp_path / "removed-from-params", 0.9)
    kinds = {"source-only": "initial", "lse-1": "lse", "lse-2": "lse", "oracle": "oracle"}
    found = read_results(tmp_path, kinds)
    assert [(result.name, result.kind) for result in found] == [("source-only", "initial"), ("oracle", "oracle")]


@pytest.mark.parametrize("name", ["metrics.json", "per_class.json"])
@pytest.mark.parametrize("content", [b'{"mIoU": 0.', b"\xff{}", b"[]", b""])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    write_run(tmp_path / "lse-1", 0.5)
    (tmp_path / "lse-1" / name).write_bytes(content)
    with pytest.raises(ReadableError, match=f"lse-1/{name}: cannot be read .*; run `dvc repro` again"):
        read_result(tmp_path / "lse-1", "lse")


def test_nothing_evaluated_is_an_empty_list(tmp_path: Path) -> None:
    assert read_results(tmp_path / "runs", {"source-only": "initial"}) == []


def test_the_gap_closed_by_hand() -> None:
    assert gap_closed(0.5, 0.4, 0.6) == pytest.approx(0.5)
    assert gap_closed(0.3, 0.4, 0.6) == pytest.approx(-0.5)
    assert gap_closed(0.7, 0.4, 0.6) == pytest.approx(1.5)


@pytest.mark.parametrize(
    "values", [(None, 0.4, 0.6), (0.5, None, 0.6), (0.5, 0.4, None), (0.5, 0.4, 0.4), (0.5, 0.4, 0.3)]
)
def test_where_there_is_no_gap_none_is_closed(values: tuple[float | None, ...]) -> None:
    assert gap_closed(*values) is None


def test_the_baseline_is_the_first_run_of_its_kind(tmp_path: Path) -> None:
    write_run(tmp_path / "source-only", 0.4)
    write_run(tmp_path / "advent", 0.45)
    found = read_results(tmp_path, {"source-only": "initial", "advent": "initial"})
    assert baseline(found, "initial", "mIoU") == 0.4
    assert baseline(found, "initial", "no such metric") is None
    assert baseline(found, "oracle", "mIoU") is None
