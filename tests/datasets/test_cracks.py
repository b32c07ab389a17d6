"""The generated cracks: pure functions of seed and number, exact labels, and the folders of docs/own-data.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import class_set
from pipeline.datasets.cracks.draw import draw
from pipeline.datasets.cracks.files import write_cracks
from pipeline.datasets.cracks.folders import write_folders
from pipeline.params import CracksSplit

CRACKS = class_set({"names": ["background", "crack"], "colours": {"crack": [255, 48, 48]}})


@pytest.mark.parametrize("domain", ["source", "target"])
def test_one_seed_and_number_give_one_picture(domain: str) -> None:
    image_HW3, label_HW = draw(domain, 1, 5, 48, 64)
    again_HW3, same_HW = draw(domain, 1, 5, 48, 64)
    other_HW3, _ = draw(domain, 2, 5, 48, 64)
    assert image_HW3.shape == (48, 64, 3) and image_HW3.dtype == label_HW.dtype == np.uint8
    assert np.array_equal(image_HW3, again_HW3) and np.array_equal(label_HW, same_HW)
    assert not np.array_equal(image_HW3, other_HW3)


@pytest.mark.parametrize("domain", ["source", "target"])
def test_cracks_are_few_dark_pixels_and_some_pictures_have_none(domain: str) -> None:
    pairs = [draw(domain, 1, index, 64, 64) for index in range(24)]
    labels_NHW = np.stack([label_HW for _, label_HW in pairs])
    share_N = labels_NHW.mean(axis=(1, 2))
    assert set(np.unique(labels_NHW)) == {0, 1}
    assert 0.02 < share_N.mean() < 0.2 and (share_N == 0).any() and (share_N > 0).sum() > 12
    darker = [
        image_HW3[label_HW == 1].mean() < image_HW3[label_HW == 0].mean()
        for image_HW3, label_HW in pairs
        if label_HW.any()
    ]
    assert np.mean(darker) > 0.9


def test_another_domain_is_refused() -> None:
    with pytest.raises(ValueError, match="domain 'moon' is unknown; choose one of source, target"):
        draw("moon", 1, 0, 32, 32)


def test_a_split_holds_ids_in_the_colours_of_the_classes(tmp_path: Path) -> None:
    split = CracksSplit(layout="cracks", domain="source", images=2, first=7, draw_size=(32, 32))
    write_cracks(split, 1, tmp_path, CRACKS, progress=False)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["000007.png", "000008.png"]
    label = Image.open(tmp_path / "labels" / "000007.png")
    _, label_HW = draw("source", 1, 7, 32, 32)
    assert np.array_equal(np.asarray(label), label_HW)
    assert label.getpalette()[:6] == [96, 96, 96, 255, 48, 48]


def test_folders_are_as_people_have_them(tmp_path: Path) -> None:
    write_folders(
        tmp_path, (("concrete", "source", 0, 2), ("asphalt", "target", 0, 1), ("asphalt-labelled", "target", 9, 1))
    )
    _, label_HW = draw("source", 1, 1, 128, 128)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "concrete" / "labels" / "000001.png")), 255 * label_HW)
    assert not (tmp_path / "asphalt" / "labels").exists()
    coloured = Image.open(tmp_path / "asphalt-labelled" / "labels" / "000009.png")
    assert coloured.mode == "RGB" and {colour for _, colour in coloured.getcolors()} <= {(0, 0, 0), (255, 0, 0)}
