"""Where Prefect keeps its files: not where it cannot write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.overnight import prefect_settings

ROOT = Path(__file__).resolve().parents[2]
TOLD = """
import os
from pipeline.overnight import prefect_settings
print([os.environ.get(name) for name in ("PREFECT_HOME", "PREFECT_PROFILES_PATH")])
"""


def homes(folder: Path, **environment: str) -> str:
    known = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
    answer = subprocess.run(
        [sys.executable, "-c", TOLD], cwd=folder, env={**known, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return answer.stdout.strip()


def test_a_home_that_can_be_written_is_prefects_own(tmp_path: Path) -> None:
    assert homes(tmp_path, HOME=str(tmp_path)) == "[None, None]"


def test_without_a_home_it_is_the_workspace(tmp_path: Path) -> None:
    assert homes(tmp_path, HOME="/dev/null") == str([str(tmp_path / ".roundabout" / "prefect"), None])
    assert (tmp_path / ".roundabout" / "prefect").is_dir()
    assert homes(tmp_path, HOME="/dev/null", PREFECT_HOME="/a") == "['/a', None]"


def test_the_profiles_of_a_home_that_can_only_be_read_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "home" / ".prefect" / "profiles.toml"
    profiles.parent.mkdir(parents=True)
    profiles.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert prefect_settings._own_home() == {}
    monkeypatch.setattr(prefect_settings.os, "access", lambda path, mode: False)  # root may write everywhere
    assert prefect_settings._own_home() == {
        "PREFECT_HOME": str(tmp_path / ".roundabout" / "prefect"),
        "PREFECT_PROFILES_PATH": str(profiles),
    }
