"""What `meta` of dvc.yaml says about stages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import ReadableError
from pipeline.dvc_view.stage_facts import StageFacts, facts_of, launched_programs


def test_a_stage_without_meta_has_no_facts() -> None:
    assert facts_of("prepare", None) == StageFacts()
    assert not any(StageFacts())


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (
            {"gpus": True, "xyzzy": 1},
            "adapt.meta.gpus: unknown key; did you mean 'gpu'?; adapt.meta.xyzzy: unknown key",
        ),
        ({"gpu": 1}, "adapt.meta.gpu: must be true or false (it is 1)"),
        ({"program": True}, "adapt.meta.program: must be text (it is True)"),
        (["gpu"], "adapt.meta: must be a table (it is ['gpu'])"),
    ],
)
def test_unknown_keys_and_values_are_named(meta: Any, message: str) -> None:
    with pytest.raises(ReadableError, match=re.escape(f"dvc.yaml: {message}") + "$"):
        facts_of("adapt", meta)


def test_the_launcher_knows_the_programs_of_stages_that_want_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(ReadableError, match=r"dvc.yaml: is missing; run this in the project's folder"):
        launched_programs(tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  prepare: {cmd: a}\n  fit: {foreach: [1], do: {cmd: b, meta: {gpu: true, alone: true}}}\n"
        "  score-first: {cmd: c, meta: {gpu: true, program: score}}\n"
    )
    assert launched_programs(tmp_path) == {
        "fit": StageFacts(gpu=True, alone=True),
        "score": StageFacts(gpu=True, program="score"),
    }
    (tmp_path / "dvc.yaml").write_text("- a list")
    with pytest.raises(ReadableError, match=r"dvc.yaml: is not a file of stages"):
        launched_programs(tmp_path)
