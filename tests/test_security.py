"""What a file of somebody else must not do: run code through YAML, or write outside of the workspace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.own_classes import read_class_set
from pipeline.launcher.site import SiteError, read_site
from pipeline.params import read_params
from pipeline.params.reading import ParamsError

_RUNS = "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{}]]"


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return tmp_path / "evidence"


def test_yaml_of_others_runs_nothing(tmp_path: Path, evidence: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(f"classes: {_RUNS.format(evidence)}\n", encoding="utf-8")
    readers: list[tuple[Callable[[Path], Any], type[Exception]]] = [
        (read_params, ParamsError),
        (read_site, SiteError),
        (lambda file: read_class_set(file, {}, []), ValueError),
    ]
    for read, error in readers:
        with pytest.raises(error, match="constructor"):
            read(path)
        assert not evidence.exists()


@pytest.mark.parametrize("table", ["rounds", "initial_models", "translations"])
@pytest.mark.parametrize("name", ["..", "../../etc", "/etc/x", "a/b", "~", "$HOME"])
def test_no_name_of_a_run_is_a_path(
    tiny_params: dict[str, Any], write_params: Callable[[dict[str, Any]], Path], table: str, name: str
) -> None:
    tiny_params.setdefault(table, {})[name] = {}
    with pytest.raises(ParamsError) as caught:
        read_params(write_params(tiny_params))
    assert f"{table}.{name}: a name is letters" in str(caught.value)
