"""How long stages will take, by the log."""

from __future__ import annotations

from pathlib import Path

from pipeline.timing.estimates import estimate, past_seconds
from pipeline.timing.log import TIMES, record


def test_times_of_past_runs_make_the_estimate(tmp_path: Path) -> None:
    main, seed = tmp_path, tmp_path / "seed"
    for seconds in (10.0, 30.0, 20.0):
        record("adapt", "lse-1", seconds, folder=main / TIMES)
    record("adapt", "cbst-1", 100.0, folder=seed / TIMES)
    record("dump", "lse-1", 1.0, ended="failed", folder=main / TIMES)
    past = past_seconds([main, seed, tmp_path / "never-ran"])
    assert estimate("adapt", "lse-1", past) == 20
    assert estimate("adapt", "lse-9", past) == 25, "of its kind: 10, 20, 30, 100"
    assert estimate("dump", "lse-1", past) is None
    for seconds in range(10):
        record("adapt", "lse-1", float(seconds), folder=main / TIMES)
    assert past_seconds([main])["adapt", "lse-1"] == [5, 6, 7, 8, 9], "the last five"
    record("prepare", "", 2.0, folder=main / TIMES)
    assert estimate("prepare", None, past_seconds([main])) == 2


def test_times_that_nights_kept_elsewhere_before_are_ignored(tmp_path: Path) -> None:
    old = tmp_path / ".roundabout" / "seconds" / "adapt@lse-1.json"
    old.parent.mkdir(parents=True)
    old.write_text("[1.0]")
    assert past_seconds([tmp_path]) == {}
