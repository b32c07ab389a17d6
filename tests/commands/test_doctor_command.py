"""`roundabout doctor`: every line is ok, warn or fail and says what to do; the exit code follows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from pipeline import doctor
from pipeline.cli import app
from pipeline.datasets.manifest import Row, line_of, manifest_path
from tests import published

Write = Callable[[dict[str, Any]], Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call() -> Result:
    return CliRunner().invoke(app, ["doctor"])


def lines(answer: Result) -> dict[str, tuple[str, str]]:
    """Status and words by what they are about."""
    found = {}
    for line in answer.output.splitlines():
        matched = re.match(r"(ok|warn|fail) +([^:]+(?::\d+)?): (.*)", line)
        if matched:
            found[matched[2]] = (matched[1], matched[3])
    return found


def test_a_sound_machine_and_file_have_no_failure(tiny_params: dict, write_params: Write) -> None:
    write_params(tiny_params)
    answer = call()
    found = lines(answer)
    assert answer.exit_code == 0, answer.output
    assert {"python", "packages", "torch", "params.yaml", "workers", "classes", "disk", "dvc"} <= set(found)
    assert found["packages"][0] == "ok"
    assert found["data.source"] == ("ok", "4 images, drawn by prepare")
    assert found["params.yaml"] == ("ok", "2 initial models, 2 rounds")
    assert found["dvc"][0] == "warn"  # the folder is no workspace
    assert re.search(r"^\d+ ok, \d+ warn, 0 fail$", answer.output, re.M)


def test_every_problem_of_the_params_is_a_line(tiny_params: dict, write_params: Write) -> None:
    tiny_params["classes"] = "cityscapes"
    del tiny_params["model"]
    write_params(tiny_params)
    answer = call()
    assert answer.exit_code == 1
    assert answer.output.count("fail params.yaml: ") == 2
    assert lines(answer)["disk"][1].endswith("its caches are not known without a sound params file")


def test_missing_data_are_failures_with_advice_and_present_ones_are_counted(
    here: Path, tiny_params: dict, write_params: Write
) -> None:
    published.synthia(here / "synthia")
    tiny_params["data"]["source"] = {"layout": "synthia", "root": "synthia"}
    tiny_params["data"]["target"] = {"layout": "cityscapes", "root": "synthia", "split": "train"}
    write_params(tiny_params)
    answer = call()
    found = lines(answer)
    assert answer.exit_code == 1
    assert found["data.source"] == ("ok", "3 images, layout synthia, in synthia")
    status, said = found["data.target"]
    assert status == "fail"
    assert "looked for the folder leftImg8bit/train/" in said
    assert "-> docs/datasets.md has the tree of each data set" in answer.output
    assert found["classes"] == ("warn", "the source has no terrain, truck, train")
    assert "see `roundabout classes`" in answer.output


def test_the_disk_must_hold_the_caches(tiny_params: dict, write_params: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_params["data"]["size"] = [512, 1024]
    tiny_params["data"]["target"]["images"] = 1000
    write_params(tiny_params)
    for free, status in ((4.8e9, "fail"), (8e9, "warn"), (36e9, "ok")):
        usage = shutil._ntuple_diskusage(10**12, 0, int(free))
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        answer = call()
        found = lines(answer)["disk"]
        assert found[0] == status
        assert "the caches need about 5.2 GB (2 caches of 1,000 images as logits, 2.60 MB an image)" in found[1]
        assert answer.exit_code == (1 if status == "fail" else 0)


def test_caches_are_of_the_tiles_that_prepare_has_counted(here: Path, tiny_params: dict, write_params: Write) -> None:
    tiny_params["data"]["target"]["tile"] = [16, 32]
    write_params(tiny_params)
    assert lines(call())["disk"][1].endswith("`prepare` counts the target's tiles, and with them what the caches need")
    tile = Row("a@000000,000000", "a.png", None, "", None, 1, None, 32, 64, [0, 0, 16, 32])
    path = manifest_path("target")
    path.parent.mkdir(parents=True)
    path.write_text(35 * line_of(tile))
    assert "2 caches of 35 images" in lines(call())["disk"][1]


def test_bytes_of_a_cache_follow_the_profile(tiny_params: dict, write_params: Write) -> None:
    tiny_params["dump"]["flip"] = True
    tiny_params["data"]["size"] = [512, 1024]
    write_params(tiny_params)
    assert "as probabilities, 2.02 MB an image" in lines(call())["disk"][1]


def test_a_wrong_version_and_a_missing_package_are_failures(
    tiny_params: dict, write_params: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(tiny_params)
    wanted = ["numpy>=99", "nowhere-to-be-found>=1", "pillow", 'cityscapesScripts>=99; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    answer = call()
    found = lines(answer)
    assert answer.exit_code == 1
    assert found["numpy"][0] == "fail" and found["numpy"][1].endswith("numpy>=99 is required")
    assert found["nowhere-to-be-found"] == ("fail", "is not installed, nowhere-to-be-found>=1 is required")
    assert "cityscapesScripts" not in found and "packages" not in found


def test_a_busy_gpu_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: ((70 - 60 * number) * 2**30, 80 * 2**30))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "a GPU")
    found = list(doctor._devices())[1:]
    assert [(finding.status, finding.message) for finding in found] == [
        ("ok", "a GPU, 70 of 80 GiB free"),
        ("warn", "a GPU, 10 of 80 GiB free"),
    ]


def test_more_workers_than_cores_are_a_warning(tiny_params: dict, write_params: Write) -> None:
    tiny_params["runtime"]["workers"] = 4096
    write_params(tiny_params)
    assert lines(call())["workers"][0] == "warn"
