"""The numbers that `dvc exp show` lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.common.files import read_json
from pipeline.report.metrics_file import metrics_of, write_metrics
from pipeline.report.seed_set import Bundle, SeedSet
from tests.health.records import health_record
from tests.report.records import record_of_runs, round_record, run_record

SOURCE, ORACLE = run_record("source-only", "initial", 0.4), run_record("oracle", "oracle", 0.6)


def numbers(*runs: dict[str, Any], headline: str = "mIoU") -> dict[str, Any]:
    return metrics_of(SeedSet([Bundle(record_of_runs(list(runs)) | {"headline": headline}, {}, {}, Path())]))


def test_they_are_of_the_last_round_in_percent() -> None:
    control = run_record("longer", "initial", 0.48)
    health = health_record("holds", "").as_json()
    last = round_record("lse-2", 0.45678, "lse-1", control="longer", health=health)
    assert numbers(SOURCE, control, round_record("lse-1", 0.5), last, ORACLE) == {
        "mIoU": 45.68,
        "gain": 5.68,
        "gain_over_control": -2.32,
        "coverage": 51.2,
        "precision": 87.6,
        "gap_closed": 28.39,
        "health": "holds",
    }


def test_what_is_not_known_is_left_out_and_a_gain_of_nothing_is_not() -> None:
    assert numbers(SOURCE, round_record("lse-1", 0.4, pseudo_labels={})) == {"mIoU": 40.0, "gain": 0.0}
    assert numbers(SOURCE) == {}


def test_a_single_chain_has_no_name_and_several_have() -> None:
    lse, cbst = round_record("lse-1.5", 0.5), round_record("cbst-1", 0.45, kind="cbst")
    assert numbers(SOURCE, lse)["gain"] == 10.0
    assert {name: chain["gain"] for name, chain in numbers(SOURCE, lse, cbst).items()} == {"LSE": 10.0, "CBST": 5.0}
    twice = numbers(SOURCE, lse, round_record("lse-b", 0.45))
    assert list(twice) == ["LSE (lse-1_5)", "LSE (lse-b)"], "a dot would begin a table in DVC"


def test_the_file_is_json_with_the_headline_s_name(tmp_path: Path) -> None:
    record = record_of_runs([SOURCE | {"all.13": 0.3}, round_record("lse-1", 0.4) | {"all.13": 0.35}])
    write_metrics(record | {"headline": "all.13"}, tmp_path)
    assert read_json(tmp_path / "metrics.json")["all_13"] == 35.0
    assert json.loads((tmp_path / "metrics.json").read_text())["gain"] == 5.0
