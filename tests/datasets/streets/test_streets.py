"""The generated pair of domains: repeatable, with the classes, proportions and scales of real street data."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from pipeline.common.labels import CITYSCAPES_19, IGNORE
from pipeline.datasets.streets.camera import draw_weather
from pipeline.datasets.streets.draw import DOMAINS, draw
from pipeline.datasets.streets.geometry import Label, Scene
from pipeline.datasets.streets.scene import compose
from pipeline.datasets.streets.shading import hull

SCENES = 48
LARGE = ("road", "building", "vegetation", "sky")
SMALL = ("pole", "traffic light", "traffic sign", "rider", "train")


@lru_cache(maxsize=2)
def drawn(domain: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the first scenes, uint8[N, H, W, 3] and uint8[N, H, W]."""
    pairs = [draw(domain, 7, index, 96, 192) for index in range(SCENES)]
    return np.stack([image_HW3 for image_HW3, _ in pairs]), np.stack([label_HW for _, label_HW in pairs])


def shares(domain: str) -> np.ndarray:
    """Each class's share of the labelled pixels."""
    counts = np.bincount(drawn(domain)[1].ravel(), minlength=IGNORE + 1)[: len(CITYSCAPES_19)]
    return counts / counts.sum()


def car_heights(scene: Scene) -> list[float]:
    """How high each car stands in the picture, in image heights."""
    heights = []
    for thing in scene.things:
        if thing.parts and thing.parts[0].label == Label.CAR:
            points_M3 = np.array([point for part in thing.parts for point in part.points], dtype=np.float32)
            row_M = scene.camera.project(scene.camera.straighten(points_M3))[:, 1]
            heights.append(float(row_M.max() - row_M.min()))
    return heights


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("size", [(32, 64), (96, 192), (61, 97)])
def test_same_arguments_give_the_same_bytes(domain: str, size: tuple[int, int]) -> None:
    first_HW3, first_label_HW = draw(domain, 3, 11, *size)
    np.random.default_rng().random()  # other use of random numbers has no influence
    second_HW3, second_label_HW = draw(domain, 3, 11, *size)
    assert first_HW3.dtype == first_label_HW.dtype == np.uint8
    assert first_HW3.shape == (*size, 3)
    assert first_label_HW.shape == size
    assert first_HW3.tobytes() == second_HW3.tobytes()
    assert first_label_HW.tobytes() == second_label_HW.tobytes()


@pytest.mark.parametrize("domain", DOMAINS)
def test_index_and_seed_change_the_scene(domain: str) -> None:
    label_HW = draw(domain, 3, 11, 64, 128)[1]
    assert (draw(domain, 3, 12, 64, 128)[1] != label_HW).mean() > 0.05
    assert (draw(domain, 4, 11, 64, 128)[1] != label_HW).mean() > 0.05


def test_domains_do_not_share_scenes() -> None:
    assert (draw("source", 3, 11, 64, 128)[1] != draw("target", 3, 11, 64, 128)[1]).mean() > 0.05


@pytest.mark.parametrize("domain", DOMAINS)
def test_only_train_ids_and_all_of_them(domain: str) -> None:
    assert set(np.unique(drawn(domain)[1]).tolist()) == {*range(len(CITYSCAPES_19)), IGNORE}


@pytest.mark.parametrize("domain", DOMAINS)
def test_classes_are_as_unequal_as_in_real_streets(domain: str) -> None:
    share = shares(domain)
    assert sum(share[CITYSCAPES_19.index(name)] for name in LARGE) > 0.6
    for name in SMALL:
        assert 0 < share[CITYSCAPES_19.index(name)] < 0.03, name


@pytest.mark.parametrize("domain", DOMAINS)
def test_cars_come_at_many_scales(domain: str) -> None:
    heights = [
        height for index in range(12) for height in car_heights(compose(domain, np.random.default_rng(index), 2.0))
    ]
    assert len(heights) > 20
    assert np.quantile(heights, 0.95) > 5 * np.quantile(heights, 0.05)


def test_target_differs_in_colour() -> None:
    source_P3, target_P3 = (drawn(domain)[0].reshape(-1, 3).astype(np.float32) for domain in DOMAINS)
    saturation_source, saturation_target = (np.ptp(colours_P3, axis=1).mean() for colours_P3 in (source_P3, target_P3))
    assert saturation_target < 0.7 * saturation_source
    assert np.abs(source_P3.mean(axis=0) - target_P3.mean(axis=0)).max() > 10


def test_target_sees_cars_larger_than_source() -> None:
    middle = {}
    for domain in DOMAINS:
        scenes = [compose(domain, np.random.default_rng(index), 2.0) for index in range(40)]
        middle[domain] = np.median([height for scene in scenes for height in car_heights(scene)])
    assert middle["target"] > 1.15 * middle["source"]


def test_dusk_and_rain_are_a_minority_and_difficulty_has_no_gap() -> None:
    weathers = [draw_weather(np.random.default_rng(index)) for index in range(600)]
    hard = np.mean([weather.dusk > 0 or weather.rain > 0 for weather in weathers])
    assert 0.12 < hard < 0.30
    assert not any(weather.dusk > 0 and weather.rain > 0 for weather in weathers)
    difficulties = np.sort([weather.difficulty for weather in weathers])
    assert difficulties[0] < 0.1 < 0.85 < difficulties[-1]
    assert np.diff(difficulties).max() < 0.1


def test_dusk_darkens_the_picture() -> None:
    # The darkest tenth of the target lies well below anything the source shows.
    source_N, target_N = (drawn(domain)[0].mean(axis=(1, 2, 3)) for domain in DOMAINS)
    assert np.quantile(target_N, 0.05) < source_N.min()


@pytest.mark.parametrize("domain", DOMAINS)
def test_one_scene_at_two_sizes(domain: str) -> None:
    for index in range(3):
        small_HW, large_HW = draw(domain, 5, index, 128, 256)[1], draw(domain, 5, index, 256, 512)[1]
        assert (large_HW[::2, ::2] == small_HW).mean() > 0.85


def test_sky_is_above_and_road_below() -> None:
    for domain in DOMAINS:
        labels_NHW = drawn(domain)[1]
        height = labels_NHW.shape[1]
        assert not (labels_NHW[:, height // 2 :] == Label.SKY).any()
        assert not (labels_NHW[:, : height // 4] == Label.ROAD).any()
        assert (labels_NHW[:, height * 3 // 4 :] == Label.ROAD).mean() > 0.5


def test_unknown_domain_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'dream'.*source, target"):
        draw("dream", 0, 0, 64, 128)


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 × 64"):
        draw("source", 0, 0, 31, 64)


def test_hull_goes_round_the_outermost_points() -> None:
    square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    assert hull([(1.0, 1.0), *square, (1.0, 0.0)]) == square
