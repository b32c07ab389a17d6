"""What the page must not do, and what it says when something is missing, damaged or still being written."""

from __future__ import annotations

import fcntl
import math
import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from fastapi.testclient import TestClient

from pipeline.cache.reader import CacheReader
from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json, write_json
from pipeline.common.labels import class_set
from pipeline.evaluation.run import evaluate_run
from pipeline.methods.of_round import select_for_round
from pipeline.methods.selection_file import read_selection, selection_fingerprint, write_selection
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.params import read_params
from pipeline.viewer import run_view
from pipeline.viewer.app import create_app
from pipeline.viewer.compare import most_changed
from pipeline.viewer.inspector import GalleryQuery, Inspector
from pipeline.viewer.serve import address, listening_socket
from tests.health.records import health_record
from tests.viewer.conftest import write_cache


def look_again(client: TestClient) -> dict[str, dict]:
    client.inspector._refreshed = -math.inf  # type: ignore[attr-defined]
    return {run["name"]: run for run in client.get("/api/workspace").json()["runs"]}


def file_states(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "name", ["..", ".", "../runs/lse-1", "/etc", "lse-1/../../secret", "lse-1\\x", "lse-1/cache", ""]
)
def test_a_path_is_refused_as_a_run(client: TestClient, project: Path, name: str) -> None:
    (project / "secret").mkdir()
    shutil.copytree(project / "runs" / "lse-1" / "cache", project / "secret" / "cache")
    for path in ("/api/gallery", "/api/classes", "/api/image", "/api/pixel", "/picture/prediction", "/thumbnail/input"):
        answer = client.get(path, params={"run": name, "image": "000000", "x": 0, "y": 0})
        assert answer.status_code == 404, path
        assert "not given as a path" in answer.json()["detail"], path
        answer = client.get(path, params={"run": "lse-1", "against": name or "..", "image": "000001", "x": 0, "y": 0})
        assert answer.status_code in (200, 404)  # only changes look at another run
    answer = client.get("/picture/change", params={"run": "lse-1", "against": name or "..", "image": "000001"})
    assert answer.status_code == 404 and "not given as a path" in answer.json()["detail"]


def test_a_link_out_of_the_runs_is_no_way_around_names(client: TestClient) -> None:
    for image in ("../../params.yaml", "/etc/passwd", "000000/../000001", "000000\x00"):
        answer = client.get("/picture/input", params={"run": "lse-1", "image": image})
        assert answer.status_code == 404 and "has no image" in answer.json()["detail"]
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/picture/input/../../x",
        "/runs/lse-1",
    ):
        assert client.get(path).status_code == 404, path


def test_only_reading_is_possible(client: TestClient, project: Path) -> None:
    before = file_states(project)
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)("/api/workspace").status_code == 405
    image = look_again(client)["lse-2"]["first"]
    for path in ("/api/classes", "/api/image", "/picture/pseudo", "/picture/change", "/thumbnail/input"):
        assert client.get(path, params={"run": "lse-2", "image": image}).status_code == 200
    client.get("/api/gallery", params={"run": "lse-2", "sort": "kept"})
    assert file_states(project) == before


def test_another_host_is_refused(project: Path) -> None:
    with TestClient(create_app(Inspector([]), ["127.0.0.1", "localhost"])) as client:
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400
        for host in ("localhost:8600", "LOCALHOST", "127.0.0.1:1"):
            assert client.get("/", headers={"host": host}).status_code == 200
        refused = client.get("/", headers={"host": "hub.example:443"})
        assert "start `roundabout inspect --allow-host hub.example`" in refused.text


def test_pages_of_another_origin_are_refused(project: Path) -> None:
    with TestClient(create_app(Inspector([]), ["localhost", "hub.example"])) as client:
        for origin in ("https://evil.example", "http://evil.example:8600", "null"):
            refused = client.get("/api/workspace", headers={"host": "localhost:8600", "origin": origin})
            assert refused.status_code == 403 and origin in refused.text
        for origin in ("http://localhost:8600", "https://hub.example"):
            answer = client.get("/api/workspace", headers={"host": "localhost:8600", "origin": origin})
            assert answer.status_code == 200
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    with TestClient(create_app(Inspector([]), ["*"])) as client:
        headers = {"host": "lab:8600", "origin": "http://evil.example"}
        assert client.get("/api/workspace", headers=headers).status_code == 403


def test_hosts_that_are_let_in(project: Path) -> None:
    with TestClient(create_app(Inspector([]), ["[::1]", "Hub.example"])) as client:
        for host in ("hub.example", "hub.example:8600", "[::1]:8600", "[::1]"):
            assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("prefix", ["/user/x/proxy/8600", "/user/x/proxy/8600/"])
def test_the_page_behind_a_prefix(project: Path, prefix: str) -> None:
    """A proxy may take the prefix off or leave it on; the page's own addresses are relative either way."""
    with TestClient(create_app(Inspector([]), ["testserver"], prefix)) as client:
        for before in ("", prefix.rstrip("/")):
            page = client.get(f"{before}/")
            assert page.status_code == 200
            addresses = re.findall(r'(?:href|src)="([^"#][^"]*)"', page.text)
            assert len(addresses) == 3
            for name in (*addresses, "api/workspace"):
                assert client.get(f"{before}/{name}").status_code == 200, name
        assert client.get("/user/y/api/workspace").status_code == 404


def test_no_script_names_an_absolute_address() -> None:
    static = Path(__file__).resolve().parents[2] / "pipeline" / "viewer" / "static"
    scripts = list(static.glob("*.js"))
    assert len(scripts) >= 9
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert not re.findall(r"""["'`]/(?:api|picture|thumbnail|static|\$\{|\?)""", text), script.name


def test_pages_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    static = Path(__file__).resolve().parents[2] / "pipeline" / "viewer" / "static"
    texts = [path.read_text(encoding="utf-8") for path in static.iterdir()]
    assert len(texts) >= 10
    for text in texts:
        assert "innerHTML" not in text and "document.write" not in text and "eval(" not in text
        assert "https://" not in text and "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_loopback_is_the_default_and_a_taken_port_is_said() -> None:
    import inspect as python_inspect

    from pipeline.commands.inspect import inspect

    assert python_inspect.signature(inspect).parameters["host"].default == "127.0.0.1"
    bound = listening_socket("127.0.0.1", 0)
    port = bound.getsockname()[1]
    assert address(bound, "127.0.0.1") == f"http://127.0.0.1:{port}/"
    with pytest.raises(ReadableError, match=f"127.0.0.1:{port} cannot be used .* --port 0"):
        listening_socket("127.0.0.1", port)
    bound.close()


def test_a_run_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(ReadableError, match="there is no run 'lse-9'; there are lse-1, lse-2"):
        Inspector(["lse-9"])
    with pytest.raises(ReadableError, match="not given as a path"):
        Inspector(["../project/runs/lse-1"])
    inspector = Inspector(["lse-2"])
    assert [run["name"] for run in inspector.workspace()["runs"]] == ["lse-2"]
    words = inspector.gallery(GalleryQuery("lse-2", sort="change"))["words"]
    assert words.startswith("lse-2: its previous round, lse-1, is not shown here; name it, too")


def test_a_translation_is_no_round(client: TestClient, project: Path) -> None:
    params = Path("params.yaml")
    text = params.read_text(encoding="utf-8")
    params.write_text(f"{text}\ntranslations: {{colours: {{method: colour}}}}\n", encoding="utf-8")
    assert "colours" in read_params().translations
    (project / "runs" / "colours" / "gallery").mkdir(parents=True)
    (project / "runs" / "imported").mkdir()
    names = list(look_again(client))
    assert "colours" not in names and "imported" in names


# ------------------------------------------------------------------------------------ what is missing, damaged, growing


def test_a_running_dump_fills_the_page(client: TestClient, project: Path) -> None:
    runs = project / "runs"
    work = project / ".roundabout" / "work" / "dump-lse-2-0123456789ab"
    (work / "cache").mkdir(parents=True)
    finished = project / "finished"
    (runs / "lse-2" / "cache").rename(finished)
    for folder in ("selection", "patches"):
        shutil.rmtree(runs / "lse-2" / folder)
    with work.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        described = look_again(client)["lse-2"]
        assert described["writing"] and not described["has_images"]
        assert described["problems"] == ["No part of the cache is finished yet; this page fills up."]
        stamps = {described["stamp"]}
        for part, images in (("part-00001.h5", 2), ("part-00000.h5", 4)):  # several writers: parts in any order
            os.link(finished / part, work / "cache" / part)
            (work / "cache" / ".part-00002.h5.1.abcd.partial").write_bytes(b"half")
            described = look_again(client)["lse-2"]
            assert (described["images"], described["images_of_all"]) == (images, 6)
            assert described["writing"] and described["problems"] == []
            assert len(client.get("/api/gallery", params={"run": "lse-2"}).json()["images"]) == images
            first = described["first"]
            assert client.get("/picture/entropy", params={"run": "lse-2", "image": first}).status_code == 200
            assert (
                sum(row["pixels"] for row in client.get("/api/classes", params={"run": "lse-2"}).json()["classes"])
                == images * 64 * 128
            )
            stamps.add(described["stamp"])
        assert len(stamps) == 3
    described = look_again(client)["lse-2"]  # its process is gone
    assert not described["writing"]
    assert "4 of 6 images are there; the dump was stopped" in described["problems"][0]
    os.link(finished / "part-00002.h5", work / "cache" / "part-00002.h5")
    (work / "cache").rename(runs / "lse-2" / "cache")  # published
    described = look_again(client)["lse-2"]
    assert described["images"] == 6 and described["problems"] == []


@pytest.mark.parametrize("name", ["lse-2", "intrada-1"])
def test_a_dump_is_not_shown_with_the_selection_of_the_cache_before(
    client: TestClient, project: Path, name: str
) -> None:
    work = project / ".roundabout" / "work" / f"dump-{name}-0123456789ab"
    work.mkdir(parents=True)
    (project / "runs" / name / "cache").rename(work / "cache")
    described = look_again(client)[name]
    assert described["has_images"] and described["method"] is None
    assert not {"mask", "pseudo", "patches"} & set(described["layers"])
    assert [words.split(": ")[0] for words in described["problems"]] == [
        f"runs/{name}/selection/selection.json",
        f"runs/{name}/patches/patches.h5",
    ]
    assert len(described["problems"]) == 2
    assert all("is of the cache before this one; it is not shown" in words for words in described["problems"])
    answer = client.get("/api/image", params={"run": name, "image": described["first"]}).json()
    assert answer["chosen_words"] == "Nothing has been selected yet." and answer["patches"] == []
    (work / "cache").rename(project / "runs" / name / "cache")  # published
    described = look_again(client)[name]
    assert described["problems"] == [] and {"mask", "pseudo", "patches"} <= set(described["layers"])


def test_a_new_cache_is_not_shown_with_the_old_selection_until_there_is_a_new_one(
    client: TestClient, project: Path
) -> None:
    run = Path("runs/lse-2")
    ids = CacheReader(run / "cache").image_ids
    shutil.rmtree(run / "cache")
    write_cache(run / "cache", ids, 7)
    described = look_again(client)["lse-2"]
    assert described["has_images"] and described["method"] is None
    assert [words.split(": ")[0] for words in described["problems"]] == [
        "runs/lse-2/selection/selection.json",
        "runs/lse-2/patches/patches.h5",
    ]
    assert len(described["problems"]) == 2
    assert all("is of the cache before this one" in words for words in described["problems"])
    read = read_params()
    selection, details = select_for_round(read, read.rounds["lse-2"], run / "cache", Path("no-prior.h5"))
    write_selection(run / "selection" / "selection.json", selection, details)
    described = look_again(client)["lse-2"]
    assert described["problems"] == [
        "runs/lse-2/patches/patches.h5: is of the selection before this one; it is not shown"
    ]
    assert described["method"] == "lse"


def evaluated(name: str) -> None:
    """As ``evaluate`` leaves it, of the cache and selection that there are."""
    run = Path("runs") / name
    made_of = selection_fingerprint(
        read_selection(run / "selection" / "selection.json"), cache=CacheReader(run / "cache").spec.fingerprint
    )
    write_json(run / "metrics.json", {"mIoU": 0.5, "pseudo_labels": {"coverage": 0.5, "selection": made_of}})
    row = {"IoU": 0.5, "pseudo_label_coverage": 0.25, "pseudo_label_precision": 0.75}
    write_json(run / "per_class.json", {"road": row})


def quality_of_road(client: TestClient, name: str) -> tuple[float | None, float | None]:
    row = client.get("/api/classes", params={"run": name}).json()["classes"][0]
    assert row["name"] == "road"
    return row["coverage"], row["precision"]


@pytest.mark.parametrize("name", ["lse-2", "intrada-1"])
def test_coverage_and_precision_are_not_shown_beside_a_new_cache(client: TestClient, project: Path, name: str) -> None:
    evaluated(name)
    assert look_again(client)[name]["problems"] == []
    assert quality_of_road(client, name) == (0.25, 0.75)
    run = Path("runs") / name
    ids = CacheReader(run / "cache").image_ids
    shutil.rmtree(run / "cache")
    write_cache(run / "cache", ids, 7)
    problem = f"runs/{name}/metrics.json: is of the cache before this one; it is not shown"
    assert problem in look_again(client)[name]["problems"]
    assert quality_of_road(client, name) == (None, None)
    shutil.rmtree(run / "selection")  # its stage has begun
    problem = f"runs/{name}/metrics.json: is of the selection before this one; it is not shown"
    assert problem in look_again(client)[name]["problems"]
    read = read_params()
    selection, details = select_for_round(read, read.rounds[name], run / "cache", Path("no-prior.h5"))
    write_selection(run / "selection" / "selection.json", selection, details)
    assert problem in look_again(client)[name]["problems"]
    assert quality_of_road(client, name) == (None, None)
    evaluated(name)
    assert problem not in look_again(client)[name]["problems"]
    assert quality_of_road(client, name) == (0.25, 0.75)


def test_what_is_of_the_selection_before_is_not_shown_beside_a_new_one(client: TestClient, project: Path) -> None:
    evaluated("lse-2")
    path = Path("runs/lse-2/selection/selection.json")
    raw = read_json(path)
    write_json(path, raw | {"thresholds": [value / 2 for value in raw["thresholds"]]})
    described = look_again(client)["lse-2"]
    assert described["problems"] == [
        f"runs/lse-2/{name}: is of the selection before this one; it is not shown"
        for name in ("patches/patches.h5", "metrics.json")
    ]
    assert "mask" in described["layers"] and "patches" not in described["layers"]
    assert quality_of_road(client, "lse-2") == (None, None)


def test_the_verdict_on_a_round_comes_with_its_reason_until_the_round_runs_again(
    client: TestClient, project: Path
) -> None:
    assert look_again(client)["lse-2"]["health"] is None
    write_json(Path("runs/lse-2/health.json"), health_record("fails", "<sky> is lost", "init").as_json())
    verdict = {"verdict": "fails", "reason": "<sky> is lost", "result": "init"}
    assert look_again(client)["lse-2"]["health"] == verdict
    evaluated("lse-2")
    described = look_again(client)
    assert described["lse-2"]["health"] == verdict and described["lse-2"]["problems"] == []
    assert described["lse-1"]["health"] is None
    path = Path("runs/lse-2/selection/selection.json")
    raw = read_json(path)
    write_json(path, raw | {"thresholds": [value / 2 for value in raw["thresholds"]]})
    assert look_again(client)["lse-2"]["health"] is None
    write_json(path, raw)
    assert look_again(client)["lse-2"]["health"] == verdict
    ids = CacheReader(Path("runs/lse-2/cache")).image_ids
    shutil.rmtree("runs/lse-2/cache")
    write_cache(Path("runs/lse-2/cache"), ids, 7)
    described = look_again(client)
    assert described["lse-2"]["health"] is None
    problem = "runs/lse-2/health.json: is of the cache before this one; it is not shown"
    assert problem in described["lse-2"]["problems"]


def test_a_verdict_that_cannot_be_read_is_a_problem_of_its_round(client: TestClient, project: Path) -> None:
    Path("runs/lse-2/health.json").write_text("{")
    described = look_again(client)["lse-2"]
    assert described["health"] is None
    assert described["problems"] == [
        "runs/lse-2/health.json: is not a verdict of this version; run `dvc repro -f health@lse-2`"
    ]


def test_an_evaluation_says_of_which_selection_it_is(client: TestClient, project: Path) -> None:
    model = build_model("small", 19, generator=torch.Generator().manual_seed(1))
    save_model(model, Path("runs/lse-2/model.pt"), spec={"class_names": list(class_set("cityscapes-19").names)})
    params = read_params()
    evaluate_run(
        Path("runs/lse-2"),
        size=params.data.size,
        settings=params.evaluate,
        classes=class_set(params.classes),
        computer=select_device("cpu", "float32"),
    )
    assert len(read_json(Path("runs/lse-2/metrics.json"))["pseudo_labels"]["selection"]) == 12
    assert look_again(client)["lse-2"]["problems"] == []
    assert quality_of_road(client, "lse-2")[0] is not None


def test_what_does_not_say_of_which_selection_it_is_counts_as_current(client: TestClient, project: Path) -> None:
    """Files of before this was written down."""
    evaluated("lse-2")
    write_json(Path("runs/lse-2/metrics.json"), {"mIoU": 0.5, "pseudo_labels": {"coverage": 0.5}})
    with h5py.File("runs/lse-2/patches/patches.h5", "a") as file:
        del file.attrs["selection"]
    described = look_again(client)["lse-2"]
    assert described["problems"] == [] and "patches" in described["layers"]
    assert quality_of_road(client, "lse-2") == (0.25, 0.75)


def test_an_image_that_the_selection_does_not_know_is_said(client: TestClient, project: Path) -> None:
    path = Path("runs/intrada-1/selection/selection.json")
    raw = read_json(path)
    unknown = raw["hard"].pop()
    raw["scores"].pop(unknown)
    write_json(path, raw)
    look_again(client)
    answer = client.get("/api/image", params={"run": "intrada-1", "image": unknown})
    assert answer.status_code == 200
    assert answer.json()["chosen_words"] == "This image is not in the selection."


def test_labels_of_other_classes_are_not_compared(client: TestClient, project: Path) -> None:
    params = Path("params.yaml")
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("classes: cityscapes-19", "classes: synthia-16"), encoding="utf-8")
    assert params.read_text(encoding="utf-8") != before
    described = look_again(client)["lse-1"]
    assert "input" in described["layers"] and not {"label", "errors"} & set(described["layers"])
    image = {"run": "lse-1", "image": described["first"], "x": 1, "y": 1}
    assert client.get("/api/pixel", params=image).json()["truth"] is None
    assert client.get("/api/image", params=image).json()["labelled"] is False
    words = client.get("/api/gallery", params={"run": "lse-1", "sort": "iou"}).json()["words"]
    assert "was prepared for other classes than those of params.yaml (terrain, truck, train only here)" in words
    for layer in ("label", "errors"):
        answer = client.get(f"/picture/{layer}", params=image)
        assert answer.status_code == 404 and words in answer.json()["detail"]


def test_runs_of_other_classes_are_not_compared(client: TestClient, project: Path) -> None:
    other = project / "runs" / "lse-1" / "cache"
    ids = list(client.inspector.run("lse-1").index.image_ids)  # type: ignore[attr-defined]
    shutil.rmtree(other)
    write_cache(other, ids, 4, class_set("synthia-16").names)
    assert look_again(client)["lse-1"]["images"] == len(ids)
    words = "lse-2 and lse-1 have other classes: they cannot be compared"
    answer = client.get("/api/gallery", params={"run": "lse-2", "sort": "change"}).json()
    assert answer["words"] == words and answer["known"] == 0
    answer = client.get("/picture/change", params={"run": "lse-2", "image": ids[0]})
    assert answer.status_code == 404 and answer.json()["detail"] == words
    runs = [client.inspector.run(name) for name in ("lse-2", "lse-1")]  # type: ignore[attr-defined]
    assert most_changed(runs[0], runs[1], 2) == []


def test_an_evaluation_changes_the_stamp(client: TestClient, project: Path) -> None:
    before = look_again(client)["lse-1"]["stamp"]
    assert look_again(client)["lse-1"]["stamp"] == before
    write_json(Path("runs/lse-1/per_class.json"), {"road": {"IoU": 0.5}})
    assert look_again(client)["lse-1"]["stamp"] != before


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_address_of_a_difference_names_both_stamps(tmp_path: Path) -> None:
    static = Path(__file__).resolve().parents[2] / "pipeline" / "viewer" / "static"
    shutil.copyfile(static / "api.js", tmp_path / "api.mjs")
    (tmp_path / "ask.mjs").write_text(
        """
        import { pictureUrl, rememberRuns } from "./api.mjs";
        const run = { name: "b", stamp: "B", previous: "a" };
        rememberRuns([run, { name: "a", stamp: "A" }, { name: "c", stamp: "C" }]);
        for (const [layer, against] of [["change", ""], ["entropy-change", "c"], ["mask", ""]]) {
          const url = new URL(pictureUrl("picture", layer, run, "0", { against }), "http://x");
          console.log(url.searchParams.get("v"));
        }
        """
    )
    answer = subprocess.run(
        ["node", str(tmp_path / "ask.mjs")], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert answer.split() == ["B-A", "B-C", "B"]


def test_requests_are_answered_while_a_cache_is_read_again(
    client: TestClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on with what was open before: there is a cache, and a selection, at every moment."""
    run = client.inspector.run("lse-1")  # type: ignore[attr-defined]
    image = run.index.image_ids[0]
    expected_HW, asked = run.label(image), []

    def meanwhile(*arguments: Any, real: Any) -> Any:
        asked.append(real.__name__)
        assert run.has_images and (run.label(image) == expected_HW).all() and run.chosen(image) and run.has_patches
        return real(*arguments)

    for what in (run_view.PartialIndex, run_view.read_selection, run_view.PatchFile):
        monkeypatch.setattr(run_view, what.__name__, partial(meanwhile, real=what))
    for path in ("cache/part-00000.h5", "selection/selection.json"):
        os.utime(f"runs/lse-1/{path}")
    look_again(client)
    assert asked == ["PartialIndex", "read_selection", "PatchFile"]


def test_a_damaged_part_is_named_and_the_rest_is_shown(client: TestClient, project: Path) -> None:
    part = project / "runs" / "lse-1" / "cache" / "part-00001.h5"
    part.write_bytes(part.read_bytes()[:5000])
    described = look_again(client)["lse-1"]
    assert described["images"] == 4
    assert "part-00001.h5: cannot be read as HDF5" in described["problems"][0]
    assert described["problems"][1] == "runs/lse-1/cache: 4 of 6 images are there."  # its dump has ended


def test_parts_of_another_cache_are_left_out(client: TestClient, project: Path) -> None:
    shutil.copyfile("runs/lse-2/cache/part-00001.h5", "runs/lse-1/cache/part-00001.h5")
    described = look_again(client)["lse-1"]
    assert described["images"] == 4 and "belongs to another cache" in described["problems"][0]


def test_what_is_not_there_is_said_in_words(client: TestClient, project: Path) -> None:
    shutil.rmtree("runs/lse-1/cache")
    shutil.rmtree("runs/lse-2/selection")
    shutil.rmtree("runs/lse-2/patches")
    Path("runs/cada-1/selection/selection.json").write_text('{"method": "ca')
    Path("runs/cbst-1/patches/patches.h5").write_bytes(b"no HDF5")
    (project / "runs" / "oracle").mkdir()
    runs = look_again(client)
    assert runs["lse-1"]["problems"] == ["lse-1 has no cache yet; `dvc repro` runs its dump."]
    assert runs["oracle"]["problems"][0].startswith("oracle is an initial model")
    assert "selection.json: cannot be read" in runs["cada-1"]["problems"][0]
    assert "patches.h5: cannot be read" in runs["cbst-1"]["problems"][0]
    assert runs["lse-2"]["previous"] is None and "mask" not in runs["lse-2"]["layers"]
    image = {"run": "lse-2", "image": runs["lse-2"]["first"], "x": 1, "y": 1}
    assert client.get("/api/pixel", params=image).json()["reason"] is None
    for path, words in (("/picture/mask", "nothing has been selected yet"), ("/picture/change", "no other run")):
        answer = client.get(path, params=image)
        assert answer.status_code == 404 and words in answer.json()["detail"]
    assert (
        "nothing has been selected"
        in client.get("/api/gallery", params={"run": "lse-2", "sort": "selected"}).json()["words"]
    )
    answer = client.get("/api/gallery", params={"run": "lse-1"})
    assert answer.status_code == 404 and "has no cache yet" in answer.json()["detail"]


def test_questions_that_make_no_sense_are_answered_in_words(client: TestClient) -> None:
    first = look_again(client)["lse-1"]["first"]
    for path, parameters, words in (
        ("/api/gallery", {"sort": "beauty"}, "cannot be sorted by 'beauty'; choose one of entropy, order"),
        ("/api/gallery", {"of": "unicorn"}, "has no class 'unicorn'"),
        ("/api/pixel", {"image": first, "x": 128, "y": 0}, "is outside the image of 128x64"),
        ("/api/pixel", {"image": "no", "x": 1, "y": 0}, "has no image 'no'"),
        ("/picture/soup", {"image": first}, "there is no layer 'soup'"),
    ):
        answer = client.get(path, params={"run": "lse-1", **parameters})
        assert answer.status_code == 404 and words in answer.json()["detail"], path


def test_without_data_the_cache_is_still_shown(client: TestClient, project: Path) -> None:
    shutil.rmtree("data")
    runs = look_again(client)
    assert "input" not in runs["lse-1"]["layers"] and "label" not in runs["lse-1"]["layers"]
    assert "there is no such manifest" in client.get("/api/workspace").json()["images_problem"]
    for layer in ("prediction", "mask"):
        for kind in ("picture", "thumbnail"):
            parameters = {"run": "lse-1", "image": runs["lse-1"]["first"]}
            assert client.get(f"/{kind}/{layer}", params=parameters).status_code == 200
    answer = client.get("/picture/input", params={"run": "lse-1", "image": runs["lse-1"]["first"]})
    assert answer.status_code == 404 and "manifest" in answer.json()["detail"]


def test_params_that_are_no_utf_8_are_said_and_the_caches_are_shown(client: TestClient, project: Path) -> None:
    Path("params.yaml").write_bytes("# Größe\n".encode("latin-1") + Path("params.yaml").read_bytes())
    assert look_again(client)["lse-1"]["has_images"]
    assert "is not UTF-8" in client.get("/api/workspace").json()["images_problem"]


def test_an_empty_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = Inspector([]).workspace()
    assert answer["runs"] == [] and answer["problem"].startswith("runs/ is empty")
    assert "params.yaml" in answer["images_problem"]


def test_memory_keeps_a_few_images_only(client: TestClient) -> None:
    run = client.inspector.run("lse-1")  # type: ignore[attr-defined]
    for image_id in run.index.image_ids:
        client.get("/picture/mask", params={"run": "lse-1", "image": image_id})
    assert len(run._maps) == 4
