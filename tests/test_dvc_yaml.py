"""dvc.yaml lists, for every stage, exactly the code that the stage really imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

_LIST_MODULES = """
import importlib, inspect, sys
importlib.import_module(sys.argv[1])
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] in ("pipeline", "stages") and getattr(module, "__file__", None):
        print(module.__file__)
"""


def description(stage: str) -> dict:
    return STAGES[stage].get("do", STAGES[stage])


def real_imports(module: str) -> set[str]:
    """The folders of pipeline/ (or single files of pipeline/ and stages/) that importing a stage loads."""
    answer = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES, module], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = set()
    for line in answer.stdout.splitlines():
        parts = Path(line).resolve().relative_to(ROOT).parts
        if parts[-1] == "__init__.py" and len(parts) == 2:
            continue  # pipeline/__init__.py and stages/__init__.py are empty
        found.add("/".join(parts[:2]))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stage_lists_the_code_it_imports(stage):
    command = description(stage)["cmd"].split()
    module = command[command.index("-m") + 1]
    listed = {path for path in description(stage)["deps"] if path.split("/")[0] in ("pipeline", "stages")}
    assert listed == real_imports(module)


def test_packages_of_stages_are_empty():
    for package in ("pipeline", "stages"):
        assert not (ROOT / package / "__init__.py").read_text(encoding="utf-8").strip()


def test_runtime_is_no_stage_s_dependency():
    for stage in STAGES:
        assert not any(str(entry).startswith("runtime") for entry in description(stage)["params"])
