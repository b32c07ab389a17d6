"""The arrows of docs/architecture.md: who may import whom."""

import ast
from pathlib import Path

import pytest

PIPELINE = Path(__file__).resolve().parents[1] / "pipeline"

# Every room may import pipeline.common.
MAY_IMPORT = {
    "common": set(),
    "params": {"methods"},
    "datasets": set(),
    "models": set(),
    "checkpoints": {"models"},
    "cache": set(),
    "methods": {"cache"},
    "patches": {"cache", "methods"},
    "translation": {"datasets"},
    "training": {"checkpoints", "datasets", "methods", "models", "patches", "tracking", "translation"},
    "tracking": set(),
    "inference": {"cache", "datasets", "models"},
    "prediction": {"datasets", "inference", "models"},
    "evaluation": {"cache", "datasets", "inference", "methods", "models"},
    "health": {"cache", "datasets", "evaluation", "inference", "models"},
    "check": {"checkpoints", "datasets", "params", "tracking"},
    "commands": {
        "cache",
        "check",
        "checkpoints",
        "datasets",
        "doctor",
        "dvc_view",
        "evaluation",
        "health",
        "launcher",
        "methods",
        "models",
        "overnight",
        "params",
        "prediction",
        "proposal",
        "report",
        "timing",
        "tracking",
        "viewer",
    },
    "doctor": {"check", "datasets", "params"},
    "proposal": {"datasets", "params"},
    "cli": {"commands"},
    "dvc_view": set(),
    "launcher": {"dvc_view", "params"},
    "overnight": {"cache", "dvc_view", "evaluation", "launcher", "params", "report", "timing"},
    "timing": set(),
    "picture_sheet": set(),
    "viewer": {"cache", "datasets", "evaluation", "health", "methods", "params", "patches", "picture_sheet"},
    "report": {
        "cache",
        "datasets",
        "evaluation",
        "health",
        "methods",
        "models",
        "params",
        "patches",
        "picture_sheet",
        "timing",
    },
}
FILES = sorted(path for path in PIPELINE.rglob("*.py") if path.parent != PIPELINE or path.name != "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PIPELINE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a file imports when it runs; what stands under `if TYPE_CHECKING` does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    # `from pipeline import params` has no room in its module: forbid it, so that the line above sees everything
    assert "pipeline" not in modules, f"{path}: import from the module itself"
    assert not any(module.split(".")[0] == "stages" for module in modules), f"{path}: the library imports a stage"
    return {module.split(".")[1] for module in modules if module.startswith("pipeline.")}


def test_every_room_has_its_arrows():
    assert {room(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PIPELINE)))
def test_imports_follow_the_arrows(path):
    forbidden = imported_rooms(path) - MAY_IMPORT[room(path)] - {room(path), "common"}
    assert not forbidden, f"{room(path)} may not import {', '.join(sorted(forbidden))}"


def test_no_function_is_long():
    long = [
        f"{path.relative_to(PIPELINE)}:{node.lineno} {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long
