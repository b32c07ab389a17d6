"""A seed's own DVC workspace: the same code and params but for the seed, and the same DVC cache.

Why not ``dvc exp``: its queue starts celery (83 s for three toy experiments), an experiment runs its stages one after
the other in one process, and all changes must be committed to git. With workspaces the flow runs single stages of all
seeds side by side, and DVC's run-cache, which is part of the shared cache, prevents that anything is computed twice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.common.errors import ReadableError
from pipeline.common.files import whole_file
from pipeline.dvc_view.graph import dvc, environment

FOLDERS = ("pipeline", "stages", "presets", "data/classes", "data/lists")
_FILES = ("dvc.yaml", ".dvcignore", "site.yaml")
_PATHS = ("root", "listed", "weights")


def seed_of(root: Path) -> int:
    """Return the seed of params.yaml."""
    return int(_params(root)["seed"])


def seed_workspace(root: Path, seed: int) -> Path:
    """Create or update the workspace of a seed and return it; for the seed of params.yaml it is the main workspace.

    Raises:
        ReadableError: for a relative path in params.yaml that means another file there.
    """
    folder = seed_folder(root, seed)
    if folder == root:
        return root
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        if (root / name).is_dir():
            _mirror(root / name, folder / name)
    for name in _FILES:
        if (root / name).exists():
            _copy(root / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    params = _params(root) | {"seed": seed}
    for link, target in _missing_links(root, folder, params):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link to another target
        link.symlink_to(target)
    _write_params(folder, params)
    _share_cache(root, folder)
    return folder


def seed_folder(root: Path, seed: int) -> Path:
    """Return the path of a seed's workspace, which may not exist yet."""
    return root if seed == seed_of(root) else root / ".roundabout" / "seeds" / str(seed)


def workspaces_of(root: Path) -> list[Path]:
    """Return the main workspace and all existing workspaces of seeds."""
    return [root, *sorted((root / ".roundabout" / "seeds").glob("*/"))]


def is_up_to_date(root: Path, seed: int) -> bool:
    """Whether a seed's workspace exists and has the main one's present code and params. Writes nothing.

    Raises:
        ReadableError: for a relative path in params.yaml that means another file there.
    """
    folder = seed_folder(root, seed)
    if folder == root:
        return True
    params = _params(root) | {"seed": seed}
    if _missing_links(root, folder, params):
        return False
    if not (folder / "params.yaml").exists() or _params(folder) != params:
        return False
    names = {Path(name) for name in _FILES if (root / name).exists() or (folder / name).exists()}
    for name in FOLDERS:
        names |= {path.relative_to(top) for top in (root, folder) for path in _code(top / name)}
    return all(
        (root / name).exists()
        and (folder / name).exists()
        and (root / name).read_bytes() == (folder / name).read_bytes()
        for name in names
    )


def _code(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _mirror(source: Path, copy: Path) -> None:
    """Copy a folder of code, and delete what is no longer in the source.

    Equal files keep their times, so that DVC need not hash them again.
    """
    names = {path.relative_to(source) for path in _code(source)}
    for path in [path for path in copy.rglob("*") if path.is_file() and path.relative_to(copy) not in names]:
        path.unlink()
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        _copy(source / name, copy / name)


def _copy(source: Path, copy: Path) -> None:
    if not copy.exists() or copy.read_bytes() != source.read_bytes():
        with whole_file(copy) as temporary:
            shutil.copyfile(source, temporary)


def _params(root: Path) -> dict[str, Any]:
    path = root / "params.yaml"
    if not path.exists():
        raise ReadableError(f"{path} is missing; `roundabout use` copies a preset")
    loaded: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return loaded


def _write_params(folder: Path, params: dict[str, Any]) -> None:
    with whole_file(folder / "params.yaml") as temporary, temporary.open("w", encoding="utf-8") as file:
        YAML().dump(params, file)  # in the file's order, which is the order of the report's rows


def _missing_links(root: Path, folder: Path, params: dict[str, Any]) -> list[tuple[Path, Path]]:
    """Return the links (link, target) that make relative paths of params mean the same files in both workspaces."""
    missing = []
    for text in set(_paths(params)):
        path = Path(text)
        if path.is_absolute() or not (root / path).exists() or text in ("", "."):
            continue
        target, link = (root / path).resolve(), Path(os.path.normpath(folder / path))
        if (link.exists() and link.resolve() == target) or any(path.is_relative_to(name) for name in FOLDERS):
            continue
        if not link.is_relative_to(root / ".roundabout") or (link.is_dir() and not link.is_symlink()):
            raise ReadableError(f"params.yaml: the path {text!r} means another file in {folder}; make it absolute")
        if link.is_symlink() or not link.exists():
            missing.append((link, target))
    return missing


def _paths(value: Any, key: str = "") -> Iterator[str]:
    """Yield all strings that may be paths: those with a slash, and values of keys that take a path."""
    if isinstance(value, str):
        if "/" in value or key in _PATHS:
            yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner)


def _share_cache(root: Path, folder: Path) -> None:
    """Make the folder a DVC workspace with the main one's cache (run-cache included), link types and remotes."""
    if not (folder / ".dvc").exists():
        answer = subprocess.run(
            [*dvc(), "init", "--no-scm", "--quiet"],
            cwd=folder, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode:
            raise ReadableError(f"{folder}: `dvc init` failed:\n{answer.stderr.strip()}")
    from dvc.config import Config
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        main, cache = dict(repo.config), Path(repo.cache.legacy.path)
    # the cache's folder has files/md5 and the run-cache; the main one's link types, group, … are kept
    shared = {**main.get("cache", {}), "dir": str(cache)}
    config = Config(str(folder / ".dvc"), validate=False)
    with config.edit("local") as local:  # beside secrets of remotes, as in the main workspace; git ignores .roundabout
        local["core"] = {key: value for key, value in main.get("core", {}).items() if key in ("remote", "analytics")}
        local["cache"] = shared
        local["remote"] = {name: dict(remote) for name, remote in main.get("remote", {}).items()}
    (folder / ".dvc" / "config.local").chmod(0o600)
