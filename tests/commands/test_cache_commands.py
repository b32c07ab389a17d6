"""`roundabout cache …` and `roundabout select`: what they say, write and refuse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cache.index import CacheIndex
from pipeline.cli import app
from pipeline.common.files import read_json


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def words(text: str) -> str:
    """The text without the line breaks and frames of a narrow terminal."""
    return " ".join(text.split())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    scores = np.exp(3 * np.random.default_rng(0).standard_normal((5, 19, 12, 20)))
    np.save(tmp_path / "v.npy", (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32))
    assert call("cache", "import", tmp_path / "v.npy", tmp_path / "cache", "--part-images", "2").exit_code == 0
    return tmp_path / "cache"


def test_a_round_s_name_stands_for_its_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/lse-1").mkdir(parents=True)
    Path("runs/lse-x/cache").mkdir(parents=True)
    cache.rename("runs/lse-1/cache")
    assert "runs/lse-1/cache" in words(call("cache", "info", "lse-1").output)
    answer = call("select", "lse-1", "--method", "cbst", "--portion", "0.2", "--out", "chosen")
    assert answer.exit_code == 0 and Path("chosen/selection.json").exists()
    assert "runs/lse-1/cache" in words(call("cache", "info", "runs/lse-1").output)
    for command in (("info",), ("verify",), ("compact", "out"), ("export", "out")):
        answer = call("cache", command[0], "lse-11", *command[1:])
        assert answer.exit_code == 1
        problem = "is neither a folder nor a run with a cache; runs with a cache are lse-1, lse-x; did you mean"
        assert words(answer.output) == f"lse-11: {problem} 'lse-1'?"
    Path("lse-1").mkdir()
    assert "lse-1: holds no parts of a cache" in words(call("cache", "info", "lse-1").output), "the folder here wins"


def test_an_image_that_is_not_there_is_told_the_nearest(cache: Path, tmp_path: Path) -> None:
    known = CacheIndex(cache).image_ids[0]
    answer = call("cache", "export", cache, tmp_path / "out.npz", "--image", known + "x")
    assert answer.exit_code == 1
    assert f"did you mean {known!r}?" in words(answer.output)


def test_info_says_what_a_cache_holds(cache: Path) -> None:
    said = words(call("cache", "info", cache).output)
    for fact in ("5 in 3 parts", "19 classes of 12x20", "float32", "v.npy", "road", "bicycle"):
        assert fact in said


def test_verify_names_a_part_that_was_cut_and_fails(cache: Path) -> None:
    answer = call("cache", "verify", cache)
    assert (answer.exit_code, "3 parts, all whole" in words(answer.output)) == (0, True)
    part = cache / "part-00001.h5"
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    answer = call("cache", "verify", cache)
    assert answer.exit_code == 1
    assert "part-00001.h5: is cut" in words(answer.output)


def test_a_damaged_import_is_repaired_by_importing_again(tmp_path: Path, cache: Path) -> None:
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    (cache / "part-00001.h5").write_bytes(before["part-00001.h5"][:3000])
    assert call("cache", "import", tmp_path / "v.npy", cache, "--part-images", "2").exit_code == 0
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before


def test_importing_something_else_into_a_cache_is_refused_naming_both(tmp_path: Path, cache: Path) -> None:
    np.save(tmp_path / "w.npy", np.full((5, 19, 12, 20), 1 / 19, np.float32))
    answer = call("cache", "import", tmp_path / "w.npy", cache, "--part-images", "2")
    assert answer.exit_code == 1
    said = words(answer.output)
    assert "v.npy" in said
    assert "w.npy" in said


def test_class_sets_are_chosen_by_number_or_name(tmp_path: Path, cache: Path) -> None:
    answer = call("cache", "import", tmp_path / "v.npy", tmp_path / "x", "--classes", "cityscapes-16")
    assert answer.exit_code == 1
    assert "classes, the volumes have 19" in words(answer.output) or "there is no class set" in words(answer.output)


def test_classes_have_names_of_ones_own_or_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "nine.npy", np.full((1, 9, 4, 6), 1 / 9, np.float32))
    assert call("cache", "import", tmp_path / "nine.npy", tmp_path / "numbers").exit_code == 0
    assert CacheIndex(tmp_path / "numbers").spec.class_names == tuple(f"class {number}" for number in range(9))
    answer = call("cache", "import", tmp_path / "nine.npy", tmp_path / "own", "--classes", "a,b, wall,d,e,f,g,h,i")
    assert answer.exit_code == 0, answer.output
    assert CacheIndex(tmp_path / "own").spec.class_names == ("a", "b", "wall", "d", "e", "f", "g", "h", "i")
    for wrong, said in (("a,b", "has 2 classes, the volumes have 9"), ("a,a,c,d,e,f,g,h,i", "or one twice")):
        answer = call("cache", "import", tmp_path / "nine.npy", tmp_path / "x", "--classes", wrong)
        assert answer.exit_code == 1 and said in words(answer.output)

    select = ("--method", "intrada", "--portion", "0.5", "--normalise", "--out")
    answer = call("select", tmp_path / "numbers", *select, tmp_path / "s")
    assert answer.exit_code == 2 and "rare classes" in words(answer.output.replace("│", " "))
    assert call("select", tmp_path / "own", *select, tmp_path / "s").exit_code == 0
    assert read_json(tmp_path / "s" / "selection.json")["normalise"] is True


def test_every_image_has_a_score_also_one_that_is_not_selected(tmp_path: Path, cache: Path) -> None:
    assert call("select", cache, "--method", "lse", "--portion", "0.2", "--out", tmp_path / "s").exit_code == 0
    selection = read_json(tmp_path / "s" / "selection.json")
    index = CacheIndex(cache)
    assert len(selection["images"]) < len(index.image_ids) == len(selection["scores"])
    confidence_N = index.statistic("confidence_sum").sum(axis=1) / (12 * 20)
    assert list(selection["scores"].values()) == pytest.approx(confidence_N)


def test_compact_and_export_say_what_they_wrote(tmp_path: Path, cache: Path) -> None:
    answer = call("cache", "compact", cache, tmp_path / "compact", "--part-images", "4")
    assert (answer.exit_code, words(answer.output).endswith("2 parts")) == (0, True)
    answer = call("cache", "export", cache, tmp_path / "out", "--what", "labels", "--image", "00002")
    assert (answer.exit_code, words(answer.output).endswith(": 1 image")) == (0, True)
    assert (tmp_path / "out" / "00002.npy").is_file()


@pytest.mark.parametrize("command", [("info",), ("verify",), ("compact", "out"), ("export", "out")])
def test_a_folder_without_a_cache_is_an_error_in_words(tmp_path: Path, command: tuple[str, ...]) -> None:
    answer = call("cache", command[0], tmp_path, *command[1:])
    assert answer.exit_code == 1
    assert "holds no parts of a cache" in words(answer.output)


@pytest.mark.parametrize("portion", ["0", "1.5", "-1"])
def test_a_portion_out_of_range_is_refused(tmp_path: Path, cache: Path, portion: str) -> None:
    answer = call("select", cache, "--method", "lse", "--portion", portion, "--out", tmp_path / "s")
    assert answer.exit_code == 2
    assert not (tmp_path / "s").exists()


def test_a_selection_of_nothing_is_written_as_such(tmp_path: Path, cache: Path) -> None:
    answer = call("select", cache, "--method", "intrada", "--portion", "0", "--out", tmp_path / "s")
    assert answer.exit_code == 0, answer.output
    assert read_json(tmp_path / "s" / "selection.json")["easy"] == []
    with h5py.File(tmp_path / "s" / "labels.h5") as file:
        assert file["labels"].shape == (0, 12, 20)


def test_a_file_in_the_way_is_an_error_in_words(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").touch()
    for command in (("import", tmp_path / "v.npy"), ("export", cache), ("compact", cache)):
        options = ["--part-images", "4"] if command[0] == "compact" else []
        answer = call("cache", *command, tmp_path / "file", *options)
        assert answer.exit_code == 1
        assert "file" in words(answer.output)


# ----------------------------------------------------------------------------------------------- the authors' numbers


@pytest.fixture
def golden_cache(golden_npz: Path, tmp_path: Path) -> Path:
    answer = call("cache", "import", golden_npz, tmp_path / "golden")
    assert answer.exit_code == 0, answer.output
    return tmp_path / "golden"


def selection_of(cache: Path, out: Path, method: str, portion: float) -> tuple[dict, np.ndarray, list[str]]:
    answer = call("select", cache, "--method", method, "--compat", "author", "--portion", str(portion), "--out", out)
    assert answer.exit_code == 0, answer.output
    with h5py.File(out / "labels.h5") as file:
        return read_json(out / "selection.json"), file["labels"][:], list(file["image_ids"].asstr()[:])


@pytest.mark.parametrize(("portion", "key"), [(0.2, "lse_p20"), (0.4, "lse_p40")])
def test_lse_on_imported_volumes_is_the_authors(
    golden: Mapping[str, np.ndarray], golden_cache: Path, tmp_path: Path, portion: float, key: str
) -> None:
    selection, label_NHW, ids = selection_of(golden_cache, tmp_path / "out", "lse", portion)
    assert selection["images"] == ids == [f"{number:05}" for number in golden[f"{key}_selected"]]
    thresholds = [math.nan if value is None else value for value in selection["thresholds"]]
    np.testing.assert_allclose(thresholds, golden[f"{key}_hc"], atol=1e-6, equal_nan=True)
    assert list(selection["scores"]) == CacheIndex(golden_cache).image_ids
    prediction_NHW = golden["prob"].argmax(axis=1)
    for number, keep_HW in enumerate(golden[f"{key}_keep_first12"]):
        expected_HW = np.where(keep_HW, prediction_NHW[golden[f"{key}_selected"][number]], 255)
        np.testing.assert_array_equal(label_NHW[number], expected_HW)


@pytest.mark.parametrize(("portion", "key"), [(0.2, "cbst_p20_stride4"), (0.5, "cbst_p50_stride4")])
def test_cbst_on_imported_volumes_is_the_authors(
    golden: Mapping[str, np.ndarray], golden_cache: Path, tmp_path: Path, portion: float, key: str
) -> None:
    selection, label_NHW, ids = selection_of(golden_cache, tmp_path / "out", "cbst", portion)
    assert selection["images"] == ids == [f"{number:05}" for number in range(120)]
    np.testing.assert_array_equal(np.float32(selection["thresholds"]), golden[f"{key}_thresholds"])
    np.testing.assert_array_equal(label_NHW, golden[f"{key}_labels"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "lse", "--portion", "0.2", "--one-threshold"), "is cbst's; lse has none"),
        (("--method", "cbst", "--portion", "0.2", "--delta", "1"), "is cada's; cbst has none"),
        (("--method", "cada", "--delta", "nan"), "is nan; a number is needed"),
        (("--method", "cada", "--compat", "author"), "cada has no released code"),
    ],
)
def test_options_of_another_method_are_refused(cache: Path, tmp_path: Path, arguments: tuple, said: str) -> None:
    answer = call("select", cache, *arguments, "--out", tmp_path / "chosen")
    assert answer.exit_code == 2
    assert said in words(answer.output.replace("│", " "))
    assert not (tmp_path / "chosen").exists()


def test_what_is_there_is_not_overwritten(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    np.save(own / "00000.npy", np.zeros(3))
    for arguments in (
        ("cache", "export", cache, own, "--what", "labels"),
        ("cache", "export", cache, tmp_path / "own.npz"),
        ("select", cache, "--method", "cbst", "--portion", "0.2", "--out", tmp_path / "chosen"),
    ):
        if own not in arguments:
            assert call(*arguments).exit_code == 0
        answer = call(*arguments)
        assert answer.exit_code == 1
        assert "is there already; choose another name, or say --force" in words(answer.output)
    assert np.load(own / "00000.npy").shape == (3,)
    ids = CacheIndex(cache).image_ids
    assert call("cache", "export", cache, own, "--what", "labels", "--image", ids[1]).exit_code == 0  # beside the other
    assert call("cache", "export", cache, own, "--what", "labels", "--force").exit_code == 0
    answer = call("select", cache, "--method", "cbst", "--portion", "0.2", "--out", cache)
    assert answer.exit_code == 1 and "is a cache" in words(answer.output)


def test_brackets_in_names_are_printed_as_they_are(cache: Path, tmp_path: Path) -> None:
    odd = tmp_path / "q[x]"
    cache.rename(odd)
    assert "q[x]" in words(call("cache", "verify", odd).output)


def test_a_part_under_another_name_is_seen(cache: Path) -> None:
    (cache / "part-00001.h5").write_bytes((cache / "part-00000.h5").read_bytes())
    answer = call("cache", "verify", cache)
    assert answer.exit_code == 1
    assert "part-00001.h5: was written as part-00000.h5" in words(answer.output)


def test_volumes_with_names_that_mislead(tmp_path: Path) -> None:
    folder = tmp_path / "volumes"
    folder.mkdir()
    np.save(folder / "a.npy", np.full((5, 4, 6), 0.2, np.float32))
    (folder / "._a.npy").write_bytes(b"what macOS leaves")
    assert call("cache", "import", folder, tmp_path / "cache").exit_code == 0
    with (tmp_path / "b.npy").open("wb") as file:
        np.savez(file, np.full((1, 5, 4, 6), 0.2, np.float32))
    assert "is a .npz by its content" in words(call("cache", "import", tmp_path / "b.npy", tmp_path / "c").output)
