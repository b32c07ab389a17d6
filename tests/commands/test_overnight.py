"""``roundabout overnight``: what it says before anything runs."""

import os
from datetime import datetime, timedelta

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands import overnight
from pipeline.commands.overnight import _moment, duration
from pipeline.common.errors import ReadableError
from pipeline.overnight.workspace_lock import night_lock

NOW = datetime(2026, 11, 21, 18, 30).astimezone()


def test_the_next_time_that_a_clock_shows():
    assert _moment("22:00", NOW) == NOW.replace(hour=22, minute=0)
    assert _moment("6:05", NOW) == NOW.replace(hour=6, minute=5) + timedelta(days=1)
    assert _moment("2026-11-23T01:00", NOW) == NOW.replace(day=23, hour=1, minute=0)
    with pytest.raises(ReadableError, match="--at: '10 pm' is not a time; write 22:00 or"):
        _moment("10 pm", NOW)
    with pytest.raises(ReadableError, match="--at: 2020-01-01T00:00 has passed"):
        _moment("2020-01-01T00:00", NOW)


def test_durations_are_for_people():
    assert [duration(seconds) for seconds in (5, 600, 26000)] == ["5 s", "10 min", "7 h 13 min"]


class Planned:
    """A night in which something is to be done."""

    def __init__(self, root):
        self.root = root

    def changed(self):
        return ["report"]


def test_a_night_is_planned_without_writing_for_another_one_may_be_at_work(tmp_path, monkeypatch):
    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(overnight, "read_params", lambda path: None)
    monkeypatch.setattr(
        overnight, "plan_night", lambda *arguments, **options: asked.append(options) or Planned(tmp_path)
    )
    monkeypatch.setattr(overnight, "_hand_over", lambda *arguments: None)
    assert CliRunner().invoke(app, ["overnight", "--cron", "0 22 * * *"]).exit_code == 0
    assert [options["write"] for options in asked] == [False]


def test_a_second_night_of_a_workspace_is_refused_and_told_which_the_first_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(overnight, "read_params", lambda path: None)
    monkeypatch.setattr(overnight, "plan_night", lambda *arguments, **options: Planned(tmp_path))
    with night_lock(tmp_path):
        answer = CliRunner().invoke(app, ["overnight"])
    assert answer.exit_code == 1
    assert f"overnight: another process works here (process {os.getpid()} on " in " ".join(answer.stderr.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "1,two"], "--seeds: '1,two' is not a list of whole numbers such as 1,2,3"),
        (["--seeds=-3"], "--seeds: '-3' is not a list of whole numbers such as 1,2,3"),
        (["--at", "22:00", "--cron", "0 22 * * *"], "--at is for one night and --cron for many"),
        ([], "params.yaml"),
    ],
)
def test_mistakes_are_told_before_anything_starts(tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["overnight", *options])
    assert answer.exit_code == 1
    assert said in answer.stderr
