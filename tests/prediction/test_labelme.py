"""Labels as LabelMe's polygons, which fill to the same labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.common.labels import IGNORE, classes_named
from pipeline.prediction.labelme import labelme_of, regions_of

CLASSES = classes_named("mine", ("a", "b", "c", "d"))


def filled_as_labelme_does(content: dict) -> np.ndarray:
    """`labelme.utils.shapes_to_label`: Pillow's polygons with their outlines, in order."""
    canvas = Image.new("L", (content["imageWidth"], content["imageHeight"]), IGNORE)
    for shape in content["shapes"]:
        assert shape["shape_type"] == "polygon"
        assert len(shape["points"]) > 2
        index = CLASSES.names.index(shape["label"])
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in shape["points"]], outline=index, fill=index)
    return np.asarray(canvas)


def filled_by_centres(content: dict) -> np.ndarray:
    """What has its centre inside by the even-odd rule."""
    height, width = content["imageHeight"], content["imageWidth"]
    label_HW = np.full((height, width), IGNORE, np.uint8)
    y_HW, x_HW = np.mgrid[:height, :width] + 0.5
    for shape in content["shapes"]:
        inside_HW = np.zeros((height, width), bool)
        points = shape["points"]
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            if y0 != y1:
                inside_HW ^= ((y0 > y_HW) != (y1 > y_HW)) & (x_HW < (x1 - x0) * (y_HW - y0) / (y1 - y0) + x0)
        label_HW[inside_HW] = CLASSES.names.index(shape["label"])
    return label_HW


def noise(size: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, size, dtype=np.uint8)


def nested(size: tuple[int, int], seed: int) -> np.ndarray:
    """Rings, with specks of other classes."""
    y_HW, x_HW = np.mgrid[: size[0], : size[1]]
    label_HW = ((np.hypot(y_HW - size[0] / 2, x_HW - size[1] / 2) // 3) % 4).astype(np.uint8)
    generator = np.random.default_rng(seed)
    return np.where(generator.random(size) < 0.05, generator.integers(0, 4, size), label_HW).astype(np.uint8)


@pytest.mark.parametrize("drawn", [noise, nested])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (17, 30)])
def test_filling_the_polygons_in_order_gives_the_label_back(drawn, size: tuple[int, int]) -> None:
    for seed in range(5):
        label_HW = drawn(size, seed)
        content = labelme_of(label_HW, Path("i.jpg"), Path("o/i.json"), CLASSES)
        assert (filled_as_labelme_does(content) == label_HW).all()
        assert (filled_by_centres(content) == label_HW).all()


def test_pixels_that_touch_at_corners_are_regions_of_their_own_and_holes_come_later() -> None:
    label_HW = np.zeros((5, 5), np.uint8)
    label_HW[1, 1] = label_HW[2, 2] = 1
    assert [region.class_index for region in regions_of(label_HW)] == [0, 1, 1]
    x_P, y_P = regions_of(label_HW)[0].outline_P2.T
    assert (x_P.min(), y_P.min(), x_P.max(), y_P.max()) == pytest.approx((0.05, 0.05, 4.95, 4.95))


def test_ignored_pixels_have_no_polygon_and_the_image_is_named_from_the_file() -> None:
    label_HW = np.full((2, 3), IGNORE, np.uint8)
    label_HW[0, 1] = 2
    content = labelme_of(label_HW, Path("images/ulm/i.jpg"), Path("out/ulm/i.json"), CLASSES)
    assert content["imagePath"] == "../../images/ulm/i.jpg"
    assert (content["imageHeight"], content["imageWidth"], content["imageData"]) == (2, 3, None)
    assert [shape["label"] for shape in content["shapes"]] == ["c"]
