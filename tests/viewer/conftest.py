"""A small project with rounds of all four methods, built by the project's own code from generated logits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from ruamel.yaml import YAML

from bench.pipeline import tiny_params
from pipeline.cache.dump import dump
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheSpec
from pipeline.common.labels import class_set
from pipeline.datasets.manifest import Manifest, line_of, manifest_path
from pipeline.datasets.opening import images_of
from pipeline.datasets.prepare import prepare
from pipeline.evaluation.confusion import confusion_matrix
from pipeline.evaluation.evaluate import Answer, per_class, summary, write_tables
from pipeline.evaluation.images import PredictionsWriter, score_image, write_scores
from pipeline.methods.of_round import select_for_round
from pipeline.methods.selection_file import write_selection
from pipeline.params import read_params
from pipeline.patches.of_round import patches_for_round
from pipeline.viewer.app import create_app
from pipeline.viewer.inspector import Inspector

SIZE, IMAGES = (64, 128), 6
ROUNDS: dict[str, dict[str, Any]] = {
    "lse-1": {"method": "lse", "init": "source-only", "portion": 0.5},
    "lse-2": {"method": "lse", "init": "lse-1", "portion": 0.6},
    "cbst-1": {"method": "cbst", "init": "source-only", "portion": 0.4},
    "intrada-1": {"method": "intrada", "init": "source-only", "easy": 0.5},
    "cada-1": {"method": "cada", "init": "source-only"},
}


def params_of(tiny: dict[str, Any]) -> dict[str, Any]:
    """The tiny params with rounds of every method."""
    tiny["data"]["target"]["images"] = IMAGES
    tiny["data"]["source"]["images"] = tiny["data"]["evaluation"]["images"] = 1
    sections = {"cbst": {"compat": "paper"}, "intrada": {"compat": "paper"}, "cada": {"compat": "paper", "delta": 0.0}}
    return tiny | sections | {"rounds": ROUNDS}


def write_cache(
    folder: Path,
    ids: list[str],
    seed: int,
    names: tuple[str, ...] = class_set("cityscapes-19").names,
    origin: str = "runs/source-only/model.pt, content 01234567",
) -> None:
    """Blocks of classes, surer in some images than in others; another seed changes some blocks."""
    logits_NChw = torch.randn((len(ids), len(names), 8, 16), generator=torch.Generator().manual_seed(1))
    logits_NChw += 0.5 * torch.randn(logits_NChw.shape, generator=torch.Generator().manual_seed(seed))
    logits_NChw *= torch.linspace(1, 4, len(ids)).view(-1, 1, 1, 1)
    if "train" in names:
        logits_NChw[::2, names.index("train")] = -30  # a class that half of the images do not show
    spec = CacheSpec(f"fingerprint-{seed}", names, SIZE, "logits", len(ids), 2, origin=origin)
    dump(torch.tensor, ids, lambda positions: [logits_NChw[positions]], folder, spec, batch=2)


def make_project(folder: Path, params: dict[str, Any]) -> None:
    """Data, caches, selections and patches of all rounds."""
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        with Path("params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(params, file)
        read = read_params()
        prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
        images = images_of("target", read.data.size)
        for name, entry in read.rounds.items():
            run = Path("runs") / name
            origin = f"runs/{entry.init}/model.pt, content 01234567"
            write_cache(
                run / "cache", list(images.manifest.ids()), 2 if entry.init == "source-only" else 3, origin=origin
            )
            selection, details = select_for_round(read, entry, run / "cache", Path("no-prior.h5"))
            write_selection(run / "selection" / "selection.json", selection, details)
            patches_for_round(
                read,
                name,
                CacheReader(run / "cache"),
                selection,
                lambda image_id: images.image(images.manifest.index_of(image_id)),
                run / "patches",
            )


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspected")
    make_project(folder, params_of(tiny_params()))
    return folder


@pytest.fixture
def project(made_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that the test may change, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(made_project, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def evaluated_project(project: Path) -> Path:
    """The project with predictions of two rounds on an evaluation split of four images."""
    path = manifest_path("evaluation")
    row = next(iter(Manifest(path)))
    path.unlink()  # it is mapped into memory
    path.write_text("".join(line_of(row._replace(id=f"val/{number}")) for number in range(4)), encoding="utf-8")
    for number, name in enumerate(("lse-1", "lse-2")):
        write_evaluation(project / "runs" / name, number)
    return project


def write_evaluation(folder: Path, seed: int) -> None:
    """Blocks of road, car and sky, of which the prediction misses some; the last image is right everywhere."""
    names = class_set("cityscapes-19").names
    draw = np.random.default_rng(7)
    scores, confusions, total_CC = [], [], np.zeros((19, 19), np.int64)
    with PredictionsWriter(folder / "predictions.h5", 4, names) as writer:
        for number in range(4):
            truth_HW = draw.choice([0, 10, 13, 255], (8, 16)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
            label_HW = np.where(truth_HW == 255, 0, truth_HW)
            label_HW[: 8 * (3 - number) * (seed + 1) // 2] = 13
            entropy_HW = np.full(SIZE, 0.1 * number, np.float32)
            confusion_CC = confusion_matrix(truth_HW, label_HW, 19)
            total_CC += confusion_CC
            confusions.append(confusion_CC)
            scores.append(score_image(f"val/{number}", confusion_CC, entropy_HW))
            writer.add(f"val/{number}", Answer(truth_HW, label_HW, label_HW, entropy_HW))
    write_scores(folder / "per_image.csv", scores, names, confusions)
    write_tables(folder, dict(summary(total_CC, names, {})), per_class(total_CC, names), total_CC, names)


@pytest.fixture
def evaluated(evaluated_project: Path, client: TestClient) -> TestClient:
    """The client of a project with evaluations: they are written before its first request."""
    return client


@pytest.fixture
def client(project: Path) -> Iterator[TestClient]:
    inspector = Inspector([])
    with TestClient(create_app(inspector, ["testserver"])) as client:
        client.inspector = inspector  # type: ignore[attr-defined]
        yield client
