"""A seed's own workspace: same code, same data, same cache, another seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bench.waiting import make_waiting_workspace, waiting_params
from bench.workspace import ROOT, run, write_params
from pipeline.common.errors import ReadableError
from pipeline.overnight import seed_workspaces
from pipeline.overnight.seed_workspaces import is_up_to_date, seed_workspace


def read(folder: Path) -> dict:
    return YAML(typ="safe").load((folder / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without DVC."""
    monkeypatch.setattr(seed_workspaces, "_share_cache", lambda root, folder: None)
    for name in ("pipeline/a.py", "pipeline/inner/b.py", "stages/c.py", "dvc.yaml", "data/mine/x.png"):
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(name, encoding="utf-8")
    (tmp_path / "far").mkdir()
    text = "seed: 1\ndata: {source: {path: data/mine}}\nrounds: {b: {}, a: {}}\n"
    (tmp_path / "project" / "params.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "project"


def test_the_main_workspace_is_its_own_seeds(root):
    assert seed_workspace(root, 1) == root
    assert not (root / ".roundabout").exists(), "nothing that the main workspace has is trained twice"


def test_another_seed_has_the_code_the_data_and_its_seed(root):
    folder = seed_workspace(root, 2)
    assert folder == root / ".roundabout" / "seeds" / "2"
    assert read(folder) == read(root) | {"seed": 2}
    assert list(read(folder)["rounds"]) == ["b", "a"], "the order of rounds is that of the file"
    assert (folder / "pipeline" / "inner" / "b.py").read_text(encoding="utf-8") == "pipeline/inner/b.py"
    assert (folder / "data" / "mine").resolve() == (root / "data" / "mine").resolve()


def test_it_follows_the_main_workspace_and_leaves_equal_files_alone(root):
    folder = seed_workspace(root, 2)
    before = (folder / "stages" / "c.py").stat().st_mtime_ns
    (root / "pipeline" / "a.py").write_text("new", encoding="utf-8")
    (root / "pipeline" / "inner" / "b.py").unlink()
    seed_workspace(root, 2)
    assert (folder / "pipeline" / "a.py").read_text(encoding="utf-8") == "new"
    assert not (folder / "pipeline" / "inner" / "b.py").exists()
    assert (folder / "stages" / "c.py").stat().st_mtime_ns == before


def test_whether_it_is_up_to_date_is_said_without_writing(root):
    assert is_up_to_date(root, 1)
    assert not is_up_to_date(root, 2)
    assert not (root / ".roundabout").exists()
    folder = seed_workspace(root, 2)
    assert is_up_to_date(root, 2)
    (root / "pipeline" / "a.py").write_text("new", encoding="utf-8")
    assert not is_up_to_date(root, 2)
    assert (folder / "pipeline" / "a.py").read_text(encoding="utf-8") == "pipeline/a.py"
    seed_workspace(root, 2)
    write_params(root, read(root) | {"rounds": {}})
    assert not is_up_to_date(root, 2)


def test_a_site_that_is_gone_from_the_main_workspace_goes_from_the_seeds(root):
    (root / "site.yaml").write_text("defaults: {where: slurm}\n", encoding="utf-8")
    folder = seed_workspace(root, 2)
    assert (folder / "site.yaml").exists()
    (root / "site.yaml").unlink()
    assert not is_up_to_date(root, 2)
    seed_workspace(root, 2)
    assert not (folder / "site.yaml").exists()
    assert is_up_to_date(root, 2)


def test_data_beside_params_are_seen_though_their_name_has_no_slash(root):
    (root / "mine").mkdir()
    (root / "ids.txt").write_text("a", encoding="utf-8")
    (root / "lse").mkdir()
    params = {"seed": 1, "data": {"source": {"root": "mine", "listed": "ids.txt"}}, "rounds": {"a": {"method": "lse"}}}
    write_params(root, params)
    folder = seed_workspace(root, 2)
    assert (folder / "mine").resolve() == root / "mine"
    assert (folder / "ids.txt").resolve() == root / "ids.txt"
    assert not (folder / "lse").exists(), "the name of a method is no path"
    assert is_up_to_date(root, 2)
    (folder / "mine").unlink()
    assert not is_up_to_date(root, 2)
    (folder / "data").mkdir()  # for lists, which are copied
    write_params(root, {"seed": 1, "data": {"source": {"root": "data"}}})
    with pytest.raises(ReadableError, match=r"the path 'data' means another file in .*; make it absolute"):
        is_up_to_date(root, 2)


def test_a_path_that_would_mean_another_file_is_refused(root):
    write_params(root, {"seed": 1, "data": {"source": {"path": "../far"}}})
    folder = seed_workspace(root, 3)
    assert (folder / "../far").resolve() == (root.parent / "far").resolve(), "one level up lies in .roundabout"
    (root.parent.parent / "further").mkdir(exist_ok=True)
    deep = "../../../" + str((root.parent / "far").relative_to(root.parent.parent.parent))
    write_params(root, {"seed": 1, "data": {"source": {"path": deep}}})
    with pytest.raises(ReadableError, match=r"params.yaml: the path '\.\./\.\./\.\./.*means another file.*absolute"):
        seed_workspace(root, 4)


@pytest.mark.slow
def test_it_shares_the_cache_with_the_main_workspace(tmp_path):
    from dvc.repo import Repo

    make_waiting_workspace(tmp_path, waiting_params({"lse": 1}))
    run(tmp_path, "dvc", "config", "cache.shared", "group")
    run(tmp_path, "dvc", "config", "cache.slow_link_warning", "false")
    folder = seed_workspace(tmp_path, 2)
    with Repo(str(folder)) as repo:
        assert repo.config["cache"]["shared"] == "group"
        assert repo.config["cache"]["slow_link_warning"] is False
        assert Path(repo.cache.legacy.path) == tmp_path / ".dvc" / "cache"
        assert Path(repo.stage_cache.cache_dir) == tmp_path / ".dvc" / "cache" / "runs"
        assert repo.config["cache"]["type"] == ["reflink", "hardlink", "symlink"]


def test_a_workspace_has_all_of_the_project_that_stages_depend_on():
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    needed = {path for stage in stages.values() for path in stage.get("do", stage)["deps"]}
    own = {path for path in needed if not path.startswith(("runs", "data/prepared"))}
    assert {
        path for path in own if not any(path == name or path.startswith(f"{name}/") for name in seed_workspaces.FOLDERS)
    } == set()
