"""A part of a cache that was cut in half is named by `roundabout cache verify` and made whole by `dvc repro`."""

from pathlib import Path

import pytest

from bench.pipeline import tiny_params
from bench.workspace import make_workspace, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("warm_stages")]


def test_a_part_cut_in_half_is_named_and_made_again(tmp_path: Path) -> None:
    params = tiny_params()
    params["rounds"] = {"lse-1": params["rounds"]["lse-1"]}
    params["initial_models"] = {"source-only": params["initial_models"]["source-only"]}
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro", "selection@lse-1")
    cache = tmp_path / "runs" / "lse-1" / "cache"
    before = {path.name: path.read_bytes() for path in cache.iterdir()}

    part = cache / "part-00000.h5"
    part.chmod(0o644)
    with part.open("r+b") as file:  # in place, as a failing disk would: whatever links to it is cut too
        file.truncate(len(before[part.name]) // 2)
    with pytest.raises(RuntimeError, match=r"part-00000.h5: is cut"):
        run(tmp_path, "roundabout", "cache", "verify", "runs/lse-1/cache")

    run(tmp_path, "dvc", "repro", "selection@lse-1")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before
    run(tmp_path, "roundabout", "cache", "verify", "runs/lse-1/cache")
