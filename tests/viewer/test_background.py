"""Measuring beside the page: what fails is tried again, and ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline.common.errors import ReadableError
from pipeline.viewer.background import Measurements


def once(measured: Measurements[int], ids: list[str]) -> dict[str, int | None]:
    measured.of(ids)
    measured.wait()
    return measured.of([])


def test_what_fails_for_a_moment_is_measured_later() -> None:
    failures = [OSError("gone"), ReadableError("not yet")]

    def measure(image_id: str) -> int:
        if image_id == "b" and failures:
            raise failures.pop()
        return ord(image_id)

    measured = Measurements(measure)
    assert once(measured, ["a", "b"]) == {"a": 97}
    assert once(measured, ["a", "b"]) == {"a": 97}
    assert once(measured, ["a", "b"]) == {"a": 97, "b": 98}


def test_what_always_fails_ends() -> None:
    def measure(image_id: str) -> int:
        raise OSError("damaged")

    measured: Measurements[int] = Measurements(measure)
    for _ in range(3):
        assert once(measured, ["a"]) == {}
    assert once(measured, ["a"]) == {"a": None}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_followed_by_another() -> None:
    def measure(image_id: str) -> int:
        if image_id == "a":
            raise AssertionError("a defect")
        return 2

    measured: Measurements[int] = Measurements(measure)
    for _ in range(3):
        assert once(measured, ["a", "b"]) == {}
    assert once(measured, ["a", "b"]) == {"a": None, "b": 2}


def test_a_selection_that_vanishes_is_said(client: TestClient, project: Path) -> None:
    run = client.inspector.run("lse-1")  # type: ignore[attr-defined]
    Path("runs/lse-1/selection/selection.json").unlink()
    run.refresh()
    with pytest.raises(ReadableError, match="lse-1: nothing has been selected yet"):
        run.computed_pseudo_label(run.index.image_ids[0])
