"""Which images of the source no training sees, and that their files leave the source's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.check import held_back_in_words
from pipeline.common.labels import CITYSCAPES_19, DIGITS_10
from pipeline.datasets.hold_back import held_back, in_words, sequence_of
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.opening import HELD_BACK, images_of, labels_of
from pipeline.datasets.prepare import PREPARED, prepare
from pipeline.params import Data, Params

NUMBERS = [f"{number:05}" for number in range(240)]


def drives(**lengths: int) -> list[str]:
    return sorted(f"{name}_{number:04}" for name, length in lengths.items() for number in range(length))


def of(ids: list[str], share: float, seed: int = 1) -> list[str]:
    return [ids[position] for position in held_back(ids, share, seed)]


def test_plain_numbers_are_one_sequence_whose_end_is_held_back() -> None:
    assert of(NUMBERS, 0.05) == NUMBERS[-12:]
    assert of(NUMBERS, 0.05, seed=2) == NUMBERS[-12:]


@pytest.mark.parametrize(("ids", "share", "count"), [(NUMBERS, 0, 0), (NUMBERS[:19], 0.5, 0), (NUMBERS[:20], 0.001, 1)])
def test_none_of_a_small_source_and_else_at_least_one(ids: list[str], share: float, count: int) -> None:
    assert len(held_back(ids, share, 1)) == count


def test_never_more_than_200() -> None:
    assert len(held_back([f"{number:05}" for number in range(30_000)], 0.05, 1)) == 200
    many = drives(**{f"drive{number:03}x": 90 for number in range(200)})
    assert 0 < len(held_back(many, 0.05, 1)) <= 200


def test_whole_sequences_that_come_closest_to_the_share() -> None:
    ids = drives(a=100, b=9, c=40, d=12, e=80)
    for seed in range(8):
        held = of(ids, 0.05, seed)  # 12 of 241
        assert {sequence_of(identity) for identity in held} in ({"b_"}, {"d_"})
        assert len(held) in (9, 12)
    assert len({tuple(of(ids, 0.05, seed)) for seed in range(8)}) == 2, "the seed draws"
    assert of(ids, 0.05, 3) == of(ids, 0.05, 3)


def test_of_sequences_that_are_all_too_long_the_end_of_one() -> None:
    ids = drives(a=100, b=204)
    ends = {tuple(of(ids, 0.05, seed)) for seed in range(8)}  # 15 of 304
    assert ends == {tuple(ids[85:100]), tuple(ids[-15:])}


def test_single_images_are_drawn() -> None:
    ids = sorted(f"{number:03}-street" for number in range(100))
    assert len(of(ids, 0.1)) == 10 and of(ids, 0.1) != ids[-10:]


def test_the_sentence_names_ids() -> None:
    assert in_words(NUMBERS[-12:], 240) == (
        "held back 12 of 240 source images for the verdict: ids 00228, 00229, 00230, 00231 … 00239"
    )
    assert in_words(["a"], 20).endswith(": ids a")


def test_prepare_moves_the_files_that_it_drew(
    tmp_path: Path, tiny_params: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_params["data"] |= {"hold_back": 0.1, "spatial_prior": True}
    tiny_params["data"]["source"]["images"] = 30
    params = Params.model_validate(tiny_params)
    counts = prepare(params.data, 1, CITYSCAPES_19, workers=1, progress=False)
    assert (counts["source"], counts[HELD_BACK]) == (27, 3)
    assert list(Manifest(manifest_path(HELD_BACK)).ids()) == ["000027", "000028", "000029"]
    for split, count in (("source", 27), (HELD_BACK, 3)):
        for kind in ("images", "labels"):
            assert len(list((PREPARED / split / kind).iterdir())) == count, "each file is in one folder only"
        images, labels = images_of(split, (32, 64)), labels_of(split, CITYSCAPES_19, None)
        assert images.image(count - 1).shape == (32, 64, 3)
        assert labels.label(count - 1).shape == (32, 64)
    assert held_back_in_words(params) == "held back 3 of 30 source images for the verdict: ids 000027, 000028, 000029"
    again = prepare(params.data.model_copy(update={"hold_back": 0.0}), 1, CITYSCAPES_19, workers=1, progress=False)
    assert again["source"] == 30 and HELD_BACK not in again
    assert [path.name for path in (PREPARED / HELD_BACK).iterdir()] == ["none.txt"]


def test_digits_share_their_labels_and_both_splits_keep_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, count in (("a", 40), ("b", 12), ("c", 10)):
        generator = np.random.default_rng(ord(name))  # other images in each archive
        x = generator.integers(0, 256, (count, 16, 16), dtype=np.uint8)
        np.savez_compressed(f"{name}.npz", x=x, y=np.arange(count) % 7 + 3 * (np.arange(count) > 35))
    splits = zip(("source", "target", "evaluation"), "abc", strict=True)
    named = {name: {"layout": "digits", "root": ".", "archive": f"{file}.npz"} for name, file in splits}
    data = Data.model_validate({"size": (16, 16), "hold_back": 0.1, **named})
    assert prepare(data, 1, DIGITS_10, workers=1, progress=False)[HELD_BACK] == 4
    for split, count in (("source", 36), (HELD_BACK, 4)):
        labels = labels_of(split, DIGITS_10, None)
        truth = [int(labels.label(position)[0, 0]) for position in range(len(labels))]
        assert len(truth) == count
        first = 36 if split == HELD_BACK else 0
        assert truth == [(first + n) % 7 + 3 * (first + n > 35) for n in range(count)]
