"""Every method through params, selection, pseudo-labels, patches, report, viewer, command line; and who names one."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cache.dump import dump
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheSpec
from pipeline.cli import app
from pipeline.commands.rounds import block_of
from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json, write_json
from pipeline.common.labels import CITYSCAPES_19, IGNORE
from pipeline.methods.method import Crops, Option, PaperRounds, ZoomedPatches
from pipeline.methods.of_round import select_for_round
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.registry import METHODS, method_named, paper_rounds
from pipeline.methods.selection_file import Selection, read_selection, write_selection
from pipeline.params import Params, json_schema, read_params
from pipeline.patches.file import PATCHES, PatchFile
from pipeline.patches.of_round import patches_for_round
from pipeline.report.record import run_facts
from pipeline.training.rounds import TRAINS
from pipeline.viewer.inspector import GalleryQuery, Inspector

ROOT = Path(__file__).resolve().parents[2]
SIZE, IDS = (32, 64), ["a", "b", "c", "d", "e"]
QUANTITIES = {"entropy-share", "entropy-in-image", "entropy-nats", "confidence", "confidence-and-prior", "none"}
Write = Callable[[dict[str, Any]], Path]


def write_cache(folder: Path) -> Path:
    logits_NChw = torch.randn((len(IDS), 19, 8, 16), generator=torch.Generator().manual_seed(1))
    logits_NChw *= torch.linspace(1, 4, len(IDS)).view(-1, 1, 1, 1)
    spec = CacheSpec("a-fingerprint", CITYSCAPES_19.names, SIZE, "logits", len(IDS), 2)
    dump(torch.tensor, IDS, lambda positions: [logits_NChw[positions]], folder, spec, batch=2)
    return folder


def params_of(tiny_params: dict[str, Any], write_params: Write, method: str) -> Params:
    """One round of the method, with the section that ``roundabout rounds`` asks for."""
    del tiny_params["lse"]
    tiny_params |= YAML(typ="safe").load(METHODS[method].paper[0].section)
    tiny_params["adapt"]["source_batch"] = tiny_params["adapt"]["batch"]  # a teacher pairs the images of both
    tiny_params["rounds"] = block_of(method, 1, "source-only")
    return read_params(write_params(tiny_params))


# ------------------------------------------------------------------------------------------------------ one by one


@pytest.mark.parametrize("name", METHODS)
def test_a_record_is_whole(name: str) -> None:
    method = METHODS[name]
    assert get_args(method.round.model_fields["method"].annotation) == (method.name,) == (name,)
    assert {"method", "init"} <= set(method.round.model_fields)
    assert method.compats and set(method.compats) <= {"paper", "author"}
    assert method.paper[0].name == name
    assert method.about.endswith(".") and method.when_empty
    assert method.share is None or method.share.field in method.round.model_fields
    assert (method.share is None) == (method.paper[0].first is None)
    assert f"methods/{name}.py" in (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", METHODS)
def test_params_selection_labels_patches_and_report_read_the_record(
    tiny_params: dict[str, Any], write_params: Write, tmp_path: Path, name: str
) -> None:
    params, method = params_of(tiny_params, write_params, name), METHODS[name]
    entry = params.round(f"{name}-1")
    assert isinstance(entry, method.round) and isinstance(params.section_of(entry), method.section)
    assert name in json_schema()["properties"]
    reader = CacheReader(write_cache(tmp_path / "cache"))

    selection, details = select_for_round(params, entry, tmp_path / "cache", tmp_path / "no-prior.h5")
    assert (selection.method, selection.compat) == (name, "paper")
    assert selection.images and set(selection.images) <= set(IDS)
    assert set(selection.images) | set(selection.hard) == set(IDS) or not selection.hard
    assert set(details["scores"]) == set(IDS) and details["cache"] == "a-fingerprint"  # type: ignore[call-overload]
    path = tmp_path / "selection" / "selection.json"
    write_selection(path, selection, details)
    np.testing.assert_equal(read_selection(path)._asdict(), selection._asdict())

    label_HW = pseudo_label(reader, selection, selection.images[0])
    assert label_HW.shape == SIZE and label_HW.dtype == np.uint8
    assert set(np.unique(label_HW)) <= {*range(19), IGNORE}

    assert isinstance(method.cut(params.section_of(entry)), ZoomedPatches | Crops)
    image_HW3 = np.zeros((*SIZE, 3), np.uint8)
    count = patches_for_round(params, f"{name}-1", reader, selection, lambda _: image_HW3, tmp_path / "patches")
    assert count == len(PatchFile(tmp_path / "patches" / PATCHES))
    assert count > 0 or method.teaches  # a teacher's round may do without

    threshold = method.threshold(selection)
    assert threshold.quantity in QUANTITIES
    assert (threshold.unit is None) == bool(np.isnan(selection.threshold_C).all())
    assert run_facts(tmp_path, CITYSCAPES_19)["selection"]["unit"] == threshold.unit


@pytest.mark.parametrize("name", METHODS)
def test_the_viewer_reads_the_record(
    tiny_params: dict[str, Any],
    write_params: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run, method = f"{name}-1", METHODS[name]
    params = params_of(tiny_params, write_params, name)
    cache = write_cache(tmp_path / "runs" / run / "cache")
    selection, details = select_for_round(params, params.round(run), cache, tmp_path / "no-prior.h5")
    write_selection(tmp_path / "runs" / run / "selection" / "selection.json", selection, details)
    inspector = Inspector([])
    described = {one["name"]: one for one in inspector.workspace()["runs"]}[run]
    assert described["problems"] == []
    assert described["shows"] == method.sides and described["about"] == method.about
    assert described["quantity"] == inspector.classes(run)["quantity"] == method.threshold(selection).quantity
    scored = [row["value"] for row in inspector.gallery(GalleryQuery(run, sort="score"))["images"]]
    assert scored == sorted(scored, reverse=method.score_falls)
    reason = inspector.pixel(run, selection.images[0], 3, 2)["reason"]
    assert reason["words"].startswith(("Kept as", "Dropped"))
    assert reason["quantity"] or method.threshold(selection).quantity == "none"


@pytest.mark.parametrize("name", METHODS)
def test_the_command_line_reads_the_record(tmp_path: Path, name: str) -> None:
    method, cache, out = METHODS[name], write_cache(tmp_path / "cache"), tmp_path / "out"
    share = [] if method.share is None else ["--portion", "0.5"]
    answer = CliRunner().invoke(app, ["select", str(cache), "--method", name, "--out", str(out), *share])
    assert answer.exit_code == 0, answer.output
    assert read_json(out / "selection.json")["method"] == name
    for paper in method.paper:
        printed = CliRunner().invoke(app, ["rounds", paper.name]).stdout
        entries = YAML(typ="safe").load(printed)["rounds"].values()
        assert {entry["method"] for entry in entries} == {name} and len(entries) == paper.rounds
    for option in method.options:
        assert any(field.endswith(option.flag) for field in _flags()), option.flag


def _flags() -> list[str]:
    return CliRunner().invoke(app, ["select", "--help"], env={"COLUMNS": "200"}).output.split()


# ----------------------------------------------------------------------------------------------------- all together


def test_options_and_papers_of_two_methods_have_no_name_in_common() -> None:
    options = [option.name for method in METHODS.values() for option in method.options]
    papers = [paper.name for method in METHODS.values() for paper in method.paper]
    assert len(set(options)) == len(options) and len(set(papers)) == len(papers) == len(paper_rounds())
    assert not set(options) & {"cache", "method", "out", "portion", "compat", "force"}


def test_records_of_the_command_line_are_plain_values() -> None:
    assert isinstance(METHODS["cada"].options[0], Option) and isinstance(METHODS["cbst"].paper[1], PaperRounds)
    assert METHODS["cbst"].options[0].flag == "--one-threshold"


def test_an_unknown_method_is_refused_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "there is no method 'cbts'; there are lse, cbst, cada, intrada, teacher; did you mean 'cbst'?"
    reader = CacheReader(write_cache(tmp_path / "runs" / "one" / "cache"))
    selection = Selection("cbts", "paper", list(CITYSCAPES_19.names), IDS, np.full(19, 0.5))
    path = tmp_path / "runs" / "one" / "selection" / "selection.json"
    write_json(path.with_name("read"), {})
    write_selection(path, selection, {})
    for use in (
        lambda: method_named("cbts"),
        lambda: pseudo_label(reader, selection, "a"),
        lambda: run_facts(tmp_path / "runs" / "one", CITYSCAPES_19),
    ):
        with pytest.raises(ReadableError) as caught:
            use()
        assert str(caught.value) == words
    monkeypatch.chdir(tmp_path)
    (described,) = Inspector([]).workspace()["runs"]
    assert described["method"] is None and described["quantity"] == "none"
    assert described["problems"] == [f"runs/one/selection/selection.json: {words}"]


def test_the_records_are_imported_without_heavy_libraries() -> None:
    """They come with params.yaml's types, and so with every command and stage."""
    listing = "import sys, pipeline.methods.registry; print({'torch', 'h5py', 'numba'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "lse": ({"portion": 0.25}, {}, {"portion": 0.25}),
    "cbst": (
        {"portion": 0.25, "one_threshold": True, "prior": Path("prior.h5")},
        {},
        {"portion": 0.25, "thresholds": "global", "spatial_prior": True},
    ),
    "cada": ({"delta": 0.5, "centroid": "mean"}, {"delta": 0.5, "centroid": "mean"}, {}),
    "intrada": ({"portion": 0.25, "normalise": True}, {"normalise": True}, {"easy": 0.25}),
    "teacher": ({"portion": 0.25}, {"largest_threshold": 0.95}, {"portion": 0.25}),
}
"""Options of ``roundabout select``, and what becomes of them in section and round."""


@pytest.mark.parametrize("name", METHODS)
def test_the_options_of_the_command_line_become_a_section_and_a_round(name: str) -> None:
    given, in_section, in_round = OPTIONS[name]
    section, entry = METHODS[name].from_options({"compat": "author", **given})
    assert (type(section), type(entry)) == (METHODS[name].section, METHODS[name].round)
    in_section, in_round = {"compat": "author", **in_section}, {"method": name, "init": "", **in_round}
    assert {field: getattr(section, field) for field in in_section} == in_section
    assert {field: getattr(entry, field) for field in in_round} == in_round


def test_cbst_selects_without_a_prior_and_by_class_where_no_option_says_otherwise() -> None:
    _, entry = METHODS["cbst"].from_options({"compat": "paper", "portion": 0.2, "one_threshold": False, "prior": None})
    assert (entry.thresholds, entry.spatial_prior) == ("per-class", False)


DEFAULTS = {
    "lse": (
        {"patches": 4, "patch_size": (0.5, 0.5), "focal_beta": 0.1, "focal_gamma": 3.0, "focal_of": "pixel"},
        {},
    ),
    "cbst": (
        {"crops": 1, "crop_size": (1.0, 1.0), "mine_below": 0.001, "mine_chance": 0.8},
        {"thresholds": "per-class", "source_portion": 1.0, "spatial_prior": False},
    ),
    "cada": ({"crops": 1, "crop_size": (1.0, 1.0), "delta": 0.0, "centroid": "weighted"}, {}),
    "intrada": (
        {
            "crops": 1,
            "crop_size": (1.0, 1.0),
            "normalise": False,
            "begin": "init",
            "lambda_main": 0.001,
            "lambda_auxiliary": 0.0002,
            "discriminators": {"network": "patch", "learning_rate": 0.0001, "betas": (0.9, 0.99), "schedule": None},
        },
        {"easy": 0.67},
    ),
    "teacher": (
        {
            "thresholds": "quota",
            "largest_threshold": 0.95,
            "memory": 0.98,
            "confidence": 0.968,
            "mix": "classmix",
            "flip": True,
            "ramp": 0.0,
            "target_weight": 1.0,
            "margins": (0.0, 0.0),
            "photometric_on": "all",
            "feature_distance": None,
            "regulariser": 0.0,
            "draws": None,
            "patches": 0,
            "patch_size": (0.5, 0.5),
            "patches_weight": 1.0,
        },
        {"portion": 0.66, "mask": None},
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_defaults_stay(name: str) -> None:
    """DVC sees what params.yaml says, not what it leaves out: a new default needs `dvc repro -f`."""
    section, entry = METHODS[name].section.model_construct(), METHODS[name].round.model_construct()
    in_section, in_round = DEFAULTS[name]
    assert (section.model_dump(), entry.model_dump()) == (in_section, {"guard": False, **in_round})


# -------------------------------------------------------------------------------------------------------- who names one

BENCHMARKS = (
    "bench/ablation.py", "bench/kill/pipelines.py", "bench/overnight.py", "bench/scale.py", "bench/teacher_step.py",
)  # fmt: skip
"""What a benchmark's night, its killed pipelines or its table of parts consist of, and the step of one method."""


def named_in(path: Path) -> set[str]:
    """The methods, and the names of their papers' rounds, that a program has as strings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return strings & {*METHODS, *paper_rounds()} - {"daformer"}  # also the name of a network


def test_only_training_and_some_benchmarks_name_methods_outside_their_own_files() -> None:
    files = [path for folder in ("pipeline", "stages", "bench") for path in (ROOT / folder).rglob("*.py")]
    files = [path for path in files if not path.is_relative_to(ROOT / "bench" / "scratch")]  # copies of a benchmark
    assert len(files) > 150
    own = {f"pipeline/methods/{name}.py": {name, *(p.name for p in METHODS[name].paper)} for name in METHODS}
    places = {str(path.relative_to(ROOT)): named_in(path) for path in files}
    outside = sorted(place for place, names in places.items() if names - own.get(place, set()))
    training = [place for place in outside if place.startswith("pipeline/training/")]
    assert len(training) == 1  # how each method's rounds train
    assert outside == sorted([*BENCHMARKS, *training])


def test_no_page_of_the_viewer_names_a_method() -> None:
    pages = list((ROOT / "pipeline" / "viewer" / "static").glob("*.js"))
    assert len(pages) > 5
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name in METHODS:
            assert f'"{name}"' not in text and f"'{name}'" not in text and f"  {name}:" not in text, page.name


def test_training_knows_how_the_rounds_of_every_method_train() -> None:
    assert set(TRAINS) == set(METHODS)
