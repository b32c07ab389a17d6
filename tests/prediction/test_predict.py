"""`roundabout predict`: images at their own sizes, resumed, overwriting nothing, saying what is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands.run_files import is_of_a_run
from pipeline.common.device import select_device
from pipeline.common.files import read_json
from pipeline.common.labels import CITYSCAPES_19, class_set
from pipeline.datasets.meaning import CITYSCAPES_IDS, table_of
from pipeline.datasets.prepare import prepare
from pipeline.evaluation.confusion import confusion_matrix, intersection_over_union, mean_iou
from pipeline.evaluation.evaluate import predictions
from pipeline.models.build import build_model
from pipeline.models.state import load_model, save_model
from pipeline.params import Params, read_params
from pipeline.prediction.predict import Views, predicted


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    return tmp_path


@pytest.fixture
def model(here: Path) -> Path:
    """A network that knows nothing, but not the same nothing everywhere: its classifier is made louder."""
    network = build_model("small", 19, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        network.head.classify.weight.mul_(100)
    save_model(network, here / "model.pt", spec={"class_names": list(CITYSCAPES_19.names)})
    return here / "model.pt"


def draw(path: Path, size: tuple[int, int], seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def images(here: Path) -> Path:
    """Cityscapes' names in folders of cities, a JPEG, sizes of their own."""
    draw(here / "images" / "ulm" / "ulm_000000_000019_leftImg8bit.png", (40, 80), 1)
    draw(here / "images" / "ulm" / "ulm_000001_000019_leftImg8bit.png", (41, 67), 2)
    draw(here / "images" / "bonn" / "photo.jpg", (50, 60), 3)
    return here / "images"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_image_has_a_prediction_of_its_size_under_its_name(here: Path, model: Path, images: Path) -> None:
    answer = call("predict", model, images, "--out", here / "out")
    assert answer.exit_code == 0, answer.output
    assert "sees each image's own size; 3 images" in words(answer.output)
    assert files(here / "out") == [
        "bonn/photo.png", "predictions.json",
        "ulm/ulm_000000_000019_leftImg8bit.png", "ulm/ulm_000001_000019_leftImg8bit.png",
    ]  # fmt: skip
    picture = Image.open(here / "out" / "ulm" / "ulm_000001_000019_leftImg8bit.png")
    assert (picture.mode, picture.size) == ("L", (67, 41))
    ids = set(np.unique(np.asarray(picture)).tolist())
    assert len(ids) > 1
    assert ids <= {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}


def test_what_is_there_is_passed_over_and_what_a_kill_left_is_removed(here: Path, model: Path, images: Path) -> None:
    out = here / "out"
    assert call("predict", model, images, "--out", out).exit_code == 0
    kept, lost = out / "bonn" / "photo.png", out / "ulm" / "ulm_000000_000019_leftImg8bit.png"
    expected = lost.read_bytes()
    lost.unlink()
    kept.write_bytes(b"as it was")
    (out / "ulm" / ".ulm_000000_000019_leftImg8bit.png.99.partial").write_bytes(b"half")
    answer = call("predict", model, images, "--out", out)
    assert "1 prediction, 2 already there" in words(answer.output)
    assert lost.read_bytes() == expected
    assert kept.read_bytes() == b"as it was"
    assert not list(out.rglob("*.partial"))


def test_predictions_of_other_settings_or_other_files_are_not_mixed_in(here: Path, model: Path, images: Path) -> None:
    out = here / "out"
    assert call("predict", model, images, "--out", out).exit_code == 0
    answer = call("predict", model, images, "--out", out, "--format", "colour")
    assert answer.exit_code == 1
    assert "holds predictions of other settings: format (label-ids then, colour now)" in words(answer.output)
    other = call("predict", model, images, "--out", images)
    assert other.exit_code == 1
    assert "holds other files, which are not overwritten" in words(other.output)


def test_predictions_of_other_images_of_the_same_names_are_not_mixed_in(here: Path, model: Path, images: Path) -> None:
    out = here / "out"
    assert call("predict", model, images, "--out", out).exit_code == 0
    draw(here / "others" / "bonn" / "photo.jpg", (50, 60), 4)
    answer = call("predict", model, "others", "--out", out)
    assert answer.exit_code == 1
    assert f"predictions of other settings: images ({images} then, {here / 'others'} now)" in words(answer.output)
    assert call("predict", model, "images", "--out", out).exit_code == 0  # the same folder, named otherwise


def prepared(here: Path, tiny_params: dict, write_params: Callable[[dict], Path]) -> Params:
    params = read_params(write_params(tiny_params))
    prepare(params.data, params.seed, class_set(params.classes), workers=1, progress=False)
    return params


def test_pictures_of_a_split_in_tiles_are_stitched_by_its_tiles(
    here: Path, model: Path, tiny_params: dict, write_params: Callable[[dict], Path]
) -> None:
    """One prediction for each picture, the same as with the options; the network sees tiles as in training."""
    tiny_params["data"]["evaluation"] |= {"tile": [16, 32], "overlap": 4, "size": [16, 32], "images": 2}
    prepared(here, tiny_params, write_params)
    answer = call("predict", model, "evaluation", "--out", "by-params")
    assert "sees tiles of 16x32, 4 pixels blended; 2 images" in words(answer.output)
    by_option = call("predict", model, "evaluation", "--tile", "16x32", "--overlap", "4", "--out", "by-option")
    assert by_option.exit_code == 0, by_option.output
    predictions = [name for name in files(here / "by-params") if name.endswith(".png")]
    assert len(predictions) == 2
    assert not any("@" in name for name in predictions)
    for name in predictions:
        assert (here / "by-params" / name).read_bytes() == (here / "by-option" / name).read_bytes()
    tiny_params["data"]["evaluation"]["size"] = [32, 64]
    prepared(here, tiny_params, write_params)
    enlarged = call("predict", model, "evaluation", "--out", "enlarged")
    assert "sees tiles of 16x32, 4 pixels blended, each as 32x64; 2 images" in words(enlarged.output)
    assert Image.open(here / "enlarged" / predictions[0]).size == Image.open(here / "by-params" / predictions[0]).size


def test_a_prepared_split_is_known_by_its_images_and_its_crop(
    here: Path, model: Path, tiny_params: dict, write_params: Callable[[dict], Path]
) -> None:
    prepared(here, tiny_params, write_params)
    assert call("predict", model, "evaluation", "--out", "out").exit_code == 0
    assert call("predict", model, "evaluation", "--out", "out").exit_code == 0
    tiny_params["data"]["evaluation"]["crop"] = [0, 0, 16, 64]
    prepared(here, tiny_params, write_params)
    assert "crop 0, 0, 16, 64 now" in words(call("predict", model, "evaluation", "--out", "out").output)
    del tiny_params["data"]["evaluation"]["crop"]
    tiny_params["data"]["evaluation"]["first"] = 2000  # the same names
    prepared(here, tiny_params, write_params)
    assert "predictions of other settings: images" in words(call("predict", model, "evaluation", "--out", "out").output)


def test_a_prepared_split_is_seen_at_its_own_size_by_any_model(
    here: Path, model: Path, tiny_params: dict, write_params: Callable[[dict], Path]
) -> None:
    tiny_params["data"]["evaluation"]["size"] = [64, 96]
    prepared(here, tiny_params, write_params)
    assert "sees 64x96" in words(call("predict", model, "evaluation", "--out", "own").output)
    assert "sees 32x64" in words(call("predict", model, "target", "--out", "common").output)


def test_a_run_whose_model_dvc_has_linked_is_a_run(
    here: Path, model: Path, images: Path, tiny_params: dict, write_params: Callable[[dict], Path]
) -> None:
    write_params(tiny_params)
    (here / "cache").mkdir()
    (here / "runs" / "mine").mkdir(parents=True)
    (here / "runs" / "mine" / "model.pt").symlink_to(model.rename(here / "cache" / "0a1b"))
    assert "sees 32x64" in words(call("predict", "mine", images, "--out", "out").output)
    assert "sees each image's own size" in words(call("predict", here / "cache" / "0a1b", images, "--out", "o").output)
    assert is_of_a_run(Path("runs/mine/model.pt"))
    assert not is_of_a_run(here / "cache" / "0a1b")


def test_broken_images_are_told_at_the_end_and_the_others_are_written(here: Path, model: Path, images: Path) -> None:
    (images / "aachen.png").write_bytes((images / "ulm" / "ulm_000000_000019_leftImg8bit.png").read_bytes()[:300])
    (images / "empty.jpg").touch()
    answer = call("predict", model, images, "--out", here / "out")
    assert answer.exit_code == 1
    said = words(answer.output)
    assert "out: 3 predictions" in said
    assert "2 of 5 images without a prediction" in said
    assert "aachen.png: is truncated or damaged" in said
    assert "empty.jpg: is an empty file" in said
    assert len(files(here / "out")) == 4


def test_a_folder_of_predictions_inside_the_images_is_not_predicted(model: Path, images: Path) -> None:
    out = images / "predicted"
    assert call("predict", model, images, "--out", out).exit_code == 0
    assert "0 predictions, 3 already there" in words(call("predict", model, images, "--out", out).output)


def test_refusals(here: Path, model: Path, images: Path) -> None:
    (here / "none").mkdir()
    draw(images / "bonn" / "photo.png", (20, 20))
    unnamed = build_model("small", 3)
    save_model(unnamed, here / "three.pt", spec={})
    draw(here / "one" / "a.png", (32, 32))
    for arguments, message in {
        ("nothing", images): "nothing: is neither a file nor a run with a model.pt",
        (model, here / "none"): "holds no image (.bmp, .jpeg",
        (model, images): "bonn/photo.jpg and bonn/photo.png would have one prediction",
        (model, "evaluatoin"): "is neither an image, a folder or a list nor a prepared split (source, target",
        (model, "evaluation"): "is a prepared split, and there is no params.yaml here",
        (here / "three.pt", here / "one"): "label-ids: Cityscapes has no class class 0, class 1, class 2",
        (model, here / "one", "--scales", "1,x"): "--scales: is '1,x'; numbers with commas",
        (model, here / "one", "--size", "0", "512"): "--size: both sides must be at least 1, and it is 0 512",
        (model, here / "one", "--tile", "32x"): "--tile: is '32x'; height and width in pixels are needed",
        (model, here / "one", "--tile", "32", "--size", "32", "32"): "leave --size out",
        (model, here / "one", "--tile", "32", "--overlap", "16"): "may be 0 to 10",
        (model, here / "one", "--overlap", "16"): "--overlap: is of tiles; say --tile, too",
        (model, here / "one", "--scales", "1,1"): "different numbers from 0.1 to 4",
    }.items():
        answer = call("predict", *arguments, "--out", here / "out")
        assert answer.exit_code == 1, arguments
        assert message in words(answer.output), (arguments, answer.output)


def test_tiles_measures_views_and_their_record(here: Path, model: Path, images: Path) -> None:
    """A picture within one tile is predicted as without tiles; the measures are beside the classes."""
    asked = ("--format", "train-ids", "--flip", "--scales", "1,0.75", "--confidence", "--entropy", "--bits", "16")
    assert call("predict", model, images, "--out", "whole", *asked).exit_code == 0
    answer = call("predict", model, images, "--out", "tiled", *asked, "--tile", "64x128")
    assert answer.exit_code == 0, answer.output
    assert "sees tiles of 64x128, 8 pixels blended; 3 images" in words(answer.output)
    assert len(files(here / "whole")) == 10
    assert files(here / "whole") == files(here / "tiled")
    for name in files(here / "whole"):
        if name.endswith(".png"):
            whole, tiled = (np.asarray(Image.open(here / folder / name)) for folder in ("whole", "tiled"))
            assert whole.dtype == (np.uint16 if name.startswith(("confidence/", "entropy/")) else np.uint8)
            assert np.array_equal(whole, tiled), name
    mixed = call("predict", model, images, "--out", "tiled", *asked, "--tile", "32")
    assert "tile ([64, 128] then, [32, 32] now)" in words(mixed.output)
    (here / "tiled" / "entropy" / "bonn" / "photo.png").unlink()
    assert "1 prediction, 2 already there" in words(
        call("predict", model, images, "--out", "tiled", *asked, "--tile", "64x128").output
    )


@pytest.mark.parametrize("format_", ["label-ids", "colour", "overlay"])
def test_tiles_of_one_picture_are_blended(here: Path, model: Path, format_: str) -> None:
    draw(here / "large.tif", (90, 130))
    answer = call(
        "predict", model, "large.tif", "--out", "out", "--tile", "40x48", "--overlap", "8", "--format", format_
    )
    assert answer.exit_code == 0, answer.output
    picture = Image.open(here / "out" / "large.png")
    assert (picture.width, picture.mode) == (130, {"label-ids": "L", "colour": "P", "overlay": "RGB"}[format_])
    assert picture.height == 90 if format_ != "overlay" else picture.height > 90


def test_a_picture_beyond_the_limit_is_told_of_tiles(here: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(here / "large.tif", (90, 130))
    draw(here / "large.png", (90, 130))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    answer = call("predict", model, "large.tif", "--out", "out")
    assert answer.exit_code == 1
    assert "read whole; predict it in tiles: --tile 512x1024" in words(answer.output)
    assert call("predict", model, "large.tif", "--out", "tiled", "--tile", "40").exit_code == 0
    png = call("predict", model, "large.png", "--out", "png", "--tile", "40")
    assert "write it as a TIFF in tiles" in words(png.output)
    overlaid = call("predict", model, "large.tif", "--out", "overlaid", "--tile", "40", "--format", "overlay")
    assert "too large for overlay; choose --format colour" in words(overlaid.output)


def test_views_are_averaged_after_softmax_at_the_image_s_size(model: Path) -> None:
    network, computer = load_model(model, "cpu"), select_device("cpu", "float32")
    image_HW3 = np.random.default_rng(1).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    input_1 = network.preprocessing(torch.from_numpy(image_HW3)[None].permute(0, 3, 1, 2))
    smaller = torch.nn.functional.interpolate(input_1, (24, 36), mode="bilinear", antialias=True)
    with torch.no_grad():
        total = sum(
            network.upsample(network(view)[0], (60, 90)).softmax(1) if not flipped
            else network.upsample(network(view.flip(-1))[0], (60, 90)).softmax(1).flip(-1)
            for view in (input_1, smaller)
            for flipped in (False, True)
        )  # fmt: skip
    views = Views(None, (1.0, 0.75), flip=True)
    answer_HW = predicted(network, image_HW3, (60, 90), views, computer)
    assert np.array_equal(answer_HW, total[0].argmax(0).numpy())


def test_a_run_and_a_prepared_split_score_as_in_our_evaluator_and_in_cityscapesscripts(
    here: Path, model: Path, tiny_params: dict, write_params: Callable[[dict], Path]
) -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    for number, size in enumerate([(64, 128), (64, 128), (70, 130)]):
        stem = f"frankfurt/frankfurt_{number:06}_000019"
        draw(here / "city" / "leftImg8bit" / "val" / f"{stem}_leftImg8bit.png", size, number)
        ids = np.random.default_rng(number).choice([0, 7, 8, 11, 21, 23, 26, 33], (4, 8)).astype(np.uint8)
        label = here / "city" / "gtFine" / "val" / f"{stem}_gtFine_labelIds.png"
        label.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).resize((size[1], size[0]), Image.Resampling.NEAREST).save(label)
    tiny_params["data"]["evaluation"] = {"layout": "cityscapes", "root": "city", "split": "val"}
    params = prepared(here, tiny_params, write_params)
    (here / "runs" / "mine").mkdir(parents=True)
    model.rename(here / "runs" / "mine" / "model.pt")
    said = call("predict", "mine", "evaluation", "--out", "out")
    assert said.exit_code == 0, said.output
    assert "sees 32x64" in words(said.output)  # data.size of params.yaml

    from pipeline.datasets.opening import images_of, labels_of

    images = images_of("evaluation", params.data.size)
    labels = labels_of("evaluation", CITYSCAPES_19, None)
    network = load_model(here / "runs" / "mine" / "model.pt", "cpu")
    answers = list(predictions(network, images.image, labels.label, len(images), select_device("cpu", "float32")))
    written = [here / "out" / f"{images.id(number)}.png" for number in range(len(images))]
    table = table_of(CITYSCAPES_IDS, CITYSCAPES_19)
    for path, answer in zip(written, answers, strict=True):
        assert np.array_equal(table[np.asarray(Image.open(path))], answer.prediction_HW)

    settings = copy.copy(official.args)
    settings.quiet, settings.JSONOutput, settings.evalInstLevelScore = True, False, False
    truths = [str(row.label) for row in labels.manifest]
    result = official.evaluateImgLists([str(path) for path in written], truths, settings)
    confusion_CC = sum(confusion_matrix(answer.truth_HW, answer.prediction_HW, 19) for answer in answers)
    assert mean_iou(confusion_CC) == pytest.approx(result["averageScoreClasses"], abs=1e-12)
    expected = [result["classScores"][name] for name in CITYSCAPES_19.names]
    np.testing.assert_allclose(intersection_over_union(confusion_CC), expected, atol=1e-12)
    assert read_json(here / "out" / "predictions.json")["size"] == [32, 64]


def test_a_turned_photograph_is_predicted_upright_and_what_lies_beside_it_is_counted(model: Path, here: Path) -> None:
    draw(here / "photos" / "upright.png", (32, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(here / "photos" / "upright.png") as upright:
        upright.transpose(Image.Transpose.ROTATE_90).save(here / "photos" / "turned.png", exif=exif)
    draw(here / "photos" / "@eaDir" / "thumb.png", (32, 64))
    result = call("predict", model, here / "photos", "--out", here / "out")
    assert result.exit_code == 0, result.output
    assert "passed over 1 × folder @eaDir" in words(result.output)
    with Image.open(here / "out" / "turned.png") as turned, Image.open(here / "out" / "upright.png") as upright:
        assert turned.size == (64, 32)
        assert np.array_equal(np.asarray(turned), np.asarray(upright))


def test_coco_has_a_mask_for_each_class_of_each_image(here: Path, model: Path, images: Path) -> None:
    (images / "broken.png").write_bytes(b"x")
    answer = call("predict", model, images, "--out", "out", "--format", "coco")
    assert "file names below" in words(answer.output) and "1 of 4 images without a prediction" in answer.output
    content = read_json(here / "out" / "annotations.json")
    assert [image["file_name"] for image in content["images"]] == [
        "bonn/photo.jpg", "ulm/ulm_000000_000019_leftImg8bit.png", "ulm/ulm_000001_000019_leftImg8bit.png",
    ]  # fmt: skip
    for image in content["images"]:
        size = (image["height"], image["width"])
        assert Image.open(images / image["file_name"]).size == size[::-1]
        label = np.asarray(Image.open((here / "out" / image["file_name"]).with_suffix(".png")))
        areas = {a["category_id"] - 1: a["area"] for a in content["annotations"] if a["image_id"] == image["id"]}
        assert areas == dict(zip(*np.unique(label, return_counts=True), strict=True))


def test_labelme_has_a_file_beside_each_name(here: Path, model: Path, images: Path) -> None:
    arguments = ("predict", model, images, "--out", "out", "--format", "labelme")
    assert call(*arguments, "--tile", "32x32").exit_code == 0
    content = read_json(here / "out" / "bonn" / "photo.json")
    assert (here / "out" / "bonn" / content["imagePath"]).resolve() == images / "bonn" / "photo.jpg"
    assert {shape["label"] for shape in content["shapes"]} <= set(CITYSCAPES_19.names)
    assert "3 already there" in words(call(*arguments, "--tile", "32x32").output)
    draw(here / "other" / "predictions.png", (20, 20))
    refused = call("predict", model, "other", "--out", "o2", "--format", "labelme")
    assert "would be called predictions.json" in words(refused.output)


def test_masks_of_a_cropped_split_are_of_the_whole_images(
    here: Path, model: Path, tiny_params: dict, write_params: Callable[[dict], Path]
) -> None:
    tiny_params["data"]["evaluation"]["crop"] = [8, 16, 24, 32]
    prepared(here, tiny_params, write_params)
    answer = call("predict", model, "evaluation", "--out", "out", "--format", "coco")
    assert answer.exit_code == 0, answer.output
    content = read_json(here / "out" / "annotations.json")
    folder = Path(words(answer.output).split("file names below ")[1].split()[0])
    for image in content["images"]:
        assert Image.open(folder / image["file_name"]).size == (image["width"], image["height"])
        boxes = [a["bbox"] for a in content["annotations"] if a["image_id"] == image["id"]]
        assert min(left for left, *_ in boxes) == 16 and min(top for _, top, *_ in boxes) == 8
        assert max(left + width for left, _, width, _ in boxes) == 48
        assert sum(a["area"] for a in content["annotations"] if a["image_id"] == image["id"]) == 24 * 32
