"""How a night that begins by itself is called, and by which clock; the nights themselves are in test_flow.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tzlocal

from pipeline.common.errors import ReadableError
from pipeline.overnight import deployment


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The machine's time zone is read once and kept: forgotten before and after."""
    forget(monkeypatch)
    yield monkeypatch
    monkeypatch.undo()


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_cache_tz", "_cache_tz_name"):
        monkeypatch.setattr(tzlocal.unix, name, None)


def test_two_workspaces_of_one_folder_name_have_two_deployments(tmp_path: Path) -> None:
    one, other = (deployment.deployment_name(tmp_path / place / "night") for place in ("a", "b"))
    assert one != other
    assert one == deployment.deployment_name(tmp_path / "b" / ".." / "a" / "night")
    assert one.startswith("night-")


def test_a_crontab_means_the_machines_clock(zone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zone.setenv("TZ", "Europe/Berlin")
    served: dict[str, Any] = {}
    zone.setattr(deployment, "_prepare_server", lambda parameters: None)
    zone.setattr(deployment.overnight, "serve", lambda **options: served.update(options))
    zone.setattr(deployment, "_print_replaced_schedules", lambda name, tell: None)
    deployment.serve(tmp_path, {}, "0 22 * * *", print)
    assert (served["schedule"].cron, served["schedule"].timezone) == ("0 22 * * *", "Europe/Berlin")


def test_a_zone_without_a_name_is_refused(zone: pytest.MonkeyPatch) -> None:
    zone.setenv("TZ", "CET-1")
    with pytest.raises(ReadableError, match="--cron: the machine's time zone has no name; export TZ="):
        deployment.time_zone()
