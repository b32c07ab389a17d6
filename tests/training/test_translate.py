"""The stage translate, from prepared streets to what an initial model and a round read.

# H/W pixels
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.common.box import Box
from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json
from pipeline.common.labels import class_set
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.prepare import prepare
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.params import Params
from pipeline.patches.file import PatchFile, PatchWriter
from pipeline.training.batches import Labelled, Stream
from pipeline.training.rounds import round_task
from pipeline.training.run import labelled_stream
from pipeline.training.translate import translate
from pipeline.translation.source import Style, identity_of, labelled_images
from tests.training.run_settings import run_settings

CYCLEGAN = {"method": "cyclegan", "steps": 2, "crop": [32, 32], "width": 2, "blocks": 1, "pool": 1}


@pytest.fixture
def params(tiny_params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Tiny streets, prepared; the source is cut, so that cutting twice would be seen."""
    monkeypatch.chdir(tmp_path)
    tiny_params["data"]["source"] |= {"draw_size": [48, 96], "crop": [8, 16, 32, 64]}
    tiny_params["pretrain"]["augmentation"] = {"flip": False}
    tiny_params["adapt"]["augmentation"] = {"flip": False}
    tiny_params["translations"] = {
        "fda": {"method": "fourier", "beta": 0.1},
        "alike": {"method": "colour", "match": "domain", "statistic": "histogram"},
        "made": CYCLEGAN,
    }
    tiny_params["initial_models"] |= {"translated": {"supervision": "fda", "alignment": "none"}}
    tiny_params["rounds"]["lse-3"] = {"method": "lse", "init": "translated", "portion": 0.5}
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    return read


def batch_of(params: Params, split: str, step: int = 0) -> Labelled:
    return labelled_stream(run_settings(params, "run", split, params.pretrain), 2).at(step)


def opened(params: Params, name: str) -> tuple[SplitImages, Style | None]:
    return labelled_images(name, params.data.size)


def identity(params: Params, name: str) -> dict[str, Any]:
    return identity_of(name)


@pytest.mark.parametrize("name", ["fda", "alike", "made"])
def test_a_start_sees_other_images_and_the_same_labels(name: str, params: Params) -> None:
    translate(params, name, Path("runs") / name)
    plain, translated, again = (batch_of(params, split) for split in ("source", name, name))
    assert translated.ids == plain.ids
    assert torch.equal(translated.label_NHW, plain.label_NHW)
    assert translated.image_N3HW.shape == plain.image_N3HW.shape
    assert not torch.equal(translated.image_N3HW, plain.image_N3HW)
    assert torch.equal(translated.image_N3HW, again.image_N3HW)
    assert len(list(Path("runs", name, "gallery").glob("*.png"))) == 4  # as many as there are images, up to six
    assert Image.open(Path("runs", name, "gallery", "0.png")).size == (3 * 64 + 2 * 4, 32)
    assert not list(Path(".roundabout/work").iterdir())


def test_each_visit_draws_a_target_image(params: Params) -> None:
    translate(params, "fda", Path("runs/fda"))
    images, style = opened(params, "fda")
    assert style is not None
    image_HW3 = images.image(0)
    seen = {style(image_HW3, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(seen) == len(Manifest(manifest_path("target"))) == 4


def source_of_round(params: Params, name: str) -> Stream:
    with PatchWriter(Path("patches.h5"), ("a",) * 19) as writer:
        writer.add("0", Box(0, 0, 32, 64), np.zeros((32, 64, 3), np.uint8), np.zeros((32, 64), np.uint8))
    run = run_settings(params, name, params.source_of(name), params.adapt)
    patches = PatchFile(Path("patches.h5"))
    task = round_task(run, params.round(name), params.lse, patches, params.adapt.source_batch, Path())
    (source,) = (stream for stream in task.streams if stream.name == "source")
    return source


def test_a_round_reads_what_its_start_has_read(params: Params) -> None:
    translate(params, "fda", Path("runs/fda"))
    expected = labelled_stream(run_settings(params, "lse-3", "fda", params.adapt), params.adapt.source_batch).at(0)
    assert torch.equal(source_of_round(params, "lse-3").at(0).image_N3HW, expected.image_N3HW)
    assert source_of_round(params, "lse-1").at(0).image_N3HW.shape == expected.image_N3HW.shape


def test_a_translation_is_part_of_a_runs_identity(params: Params) -> None:
    translate(params, "fda", Path("runs/fda"))
    before = identity(params, "fda")
    assert before != identity(params, "source")
    other = params.model_dump()
    other["translations"]["fda"]["beta"] = 0.2
    translate(Params.model_validate(other), "fda", Path("runs/fda"))
    assert identity(params, "fda") != before


def test_generated_images_are_files_that_a_manifest_names(params: Params) -> None:
    translate(params, "made", Path("runs/made"))
    source, made = Manifest(manifest_path("source")), Manifest(manifest_path("made"))
    assert list(source.ids()) == list(made.ids())
    for before, after in zip(source, made, strict=True):
        assert (after.label, after.label_hash) == (before.label, before.label_hash)
        assert after.image == f"data/prepared/made/images/{after.id}.png"
        assert (after.height, after.width, after.image_bytes) == (32, 64, Path(after.image).stat().st_size)
    images, style = opened(params, "made")
    assert style is None
    np.testing.assert_array_equal(images.image(1), np.asarray(Image.open(made[1].image)))
    assert read_json(Path("data/prepared/made/translation.json")) == {"method": "cyclegan"}
    names = {"source-to-target", "target-to-source", "identity", "discriminator-source", "discriminator-target"}
    curves = {path.stem for path in Path("runs/made/curves/loss").glob("*.tsv")}
    parts = {f"{name}-{part}" for name in ("source-to-target", "target-to-source") for part in ("deceive", "cycle")}
    assert curves == names | parts
    state = torch.load("runs/made/generators.pt", weights_only=True)
    assert {name.split(".")[0] for name in state} == {"to_target", "to_source"}


def test_a_run_killed_among_the_images_writes_the_others(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training.cyclegan import write

    real, written = write.write_bytes, []

    def counted(path: Path, data: bytes, *, most: int = 2) -> None:
        if len(written) == most:
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, data)

    monkeypatch.setattr(write, "write_bytes", counted)
    with pytest.raises(KeyboardInterrupt):
        translate(params, "made", Path("runs/made"))
    assert not manifest_path("made").exists()
    first, written[:] = set(written), []
    monkeypatch.setattr(write, "write_bytes", lambda path, data: counted(path, data, most=99))
    translate(params, "made", Path("runs/made"))
    assert len(first) == len(written) == 2
    assert not first & set(written)


def test_the_semantic_loss_reads_a_model_file(params: Params) -> None:
    other = params.model_dump()
    other["translations"]["made"]["segmentation"] = "held.pt"
    with pytest.raises(ReadableError, match=r"translations\.made\.segmentation: held\.pt: the file is missing"):
        translate(Params.model_validate(other), "made", Path("runs/made"))
    model = build_model("small", 19, encoder="mobilenet-v3-small")
    save_model(model, "held.pt", spec={"class_names": [str(number) for number in range(19)]})
    translate(Params.model_validate(other), "made", Path("runs/made"))
    curves = {path.stem for path in Path("runs/made/curves/loss").glob("*.tsv")}
    assert {"source-to-target-semantic", "target-to-source-semantic-cycle"} <= curves


def test_a_start_before_its_translation_is_told_what_to_run(params: Params) -> None:
    with pytest.raises(ReadableError, match=r"data/prepared/fda: holds no translation; run `dvc repro translate@fda`"):
        opened(params, "fda")
