"""The viewer's colours are those of params.yaml where it names the classes of the cache."""

from types import SimpleNamespace

import pytest

from pipeline.common.labels import class_set
from pipeline.viewer.run_view import RunView


def test_colours_are_of_params_where_the_names_are_the_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("background", "crack")
    monkeypatch.setattr(RunView, "index", SimpleNamespace(spec=SimpleNamespace(class_names=names)))
    run = RunView("teacher-1", "teacher", "source-only")
    drawn = run.classes
    assert drawn.names == names and drawn.palette[1] != (1, 2, 3)
    run.chosen_classes = class_set({"names": list(names), "colours": {"crack": [1, 2, 3]}})
    assert run.classes.palette[1] == (1, 2, 3)
    run.chosen_classes = class_set({"names": ["crack", "background"], "colours": {"crack": [1, 2, 3]}})
    assert run.classes == drawn
