"""Workspaces in which the report stage has run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.files import write_json
from tests.report.records import made_by


@pytest.fixture
def write_workspace(tmp_path: Path) -> Callable[..., Path]:
    """Writes a workspace's report as the stage does; answers its folder."""

    def write(name: str, record: dict[str, Any], made: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / name / "report"
        write_json(folder / "results.json", record)
        write_json(folder / "made.json", made or made_by())
        write_json(folder / "pictures.json", {"gallery": [], "sample": []})
        return folder.parent

    return write
