"""What only looks at a night's results does not end it, another night does; the flow itself is in test_flow.py."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from pipeline.common.labels import class_set
from pipeline.dvc_view.graph import Stage
from pipeline.dvc_view.stage_facts import StageFacts
from pipeline.overnight import flow
from pipeline.overnight.early_stopping import Rules
from pipeline.overnight.plan import Night, WorkspaceStage
from pipeline.overnight.scheduler import Job, Outcome, Scheduler
from pipeline.overnight.workspace_lock import night_lock


@pytest.mark.parametrize("broken", ["publish_run", "_endings"])
def test_an_error_in_pictures_or_gains_is_logged_and_the_night_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a picture without a size")

    shown: list[str] = []
    monkeypatch.setattr(flow, "publish_run", lambda night, place: shown.append(place.stage.name))
    monkeypatch.setattr(flow, broken, fail)
    monkeypatch.setattr(flow, "get_run_logger", lambda: logging.getLogger("night"))
    name = "evaluate@lse-1"
    jobs = [Job(name, (), False, 0.0, False)]
    places = {name: WorkspaceStage(tmp_path, 1, Stage(name, (), StageFacts(gpu=True, evaluates=True)), True)}
    night = Night(tmp_path, jobs, places, {}, "mIoU", class_set("cityscapes-19"), {}, Rules(), [])
    flow._after(night, Scheduler(jobs, slots=1, light=1), name, Outcome.ran)
    assert "a picture without a size" in caplog.text
    assert shown == ([] if broken == "publish_run" else [name]), "the one error does not take the other along"


def test_a_second_night_touches_nothing_and_says_which_the_first_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flow, "plan_night", lambda *_, **__: pytest.fail("it writes the seeds' workspaces"))
    with night_lock(tmp_path):
        state = flow.overnight.fn(str(tmp_path))
    assert state.is_failed()
    assert f"another process works here (process {os.getpid()} on " in str(state.message)
