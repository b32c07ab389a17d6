"""Light, colour and sharpness of an image change; its label does not.

# H/W pixels
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from pipeline.common.device import select_device
from pipeline.models.build import build_model, set_normalisation
from pipeline.params import Augmentation, Optimiser, Schedule, Training
from pipeline.params import Photometric as Section
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, Stream, prefetched
from pipeline.training.loop import Plan, train
from pipeline.training.objectives import supervised
from pipeline.training.optimisation import make_optimiser
from pipeline.training.photometric import GREY_3, Change, Photometric, gaussian_blur, photometric_of
from pipeline.training.run import augment_of

HEIGHT, WIDTH = 24, 40
SAME_33 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
NOTHING = Change((1.0, 1.0, 1.0), 0.0, 1.0, SAME_33, 0.0, 0.0, 7, 0)


def values(**named: object) -> Photometric:
    """The values of a strength, or those named here."""
    found = photometric_of(Augmentation.model_validate({"photometric": named}))
    assert found is not None
    return found


OFF = values(strength="none")
STRONG = values(strength="strong")


def picture(seed: int = 0) -> np.ndarray:
    """A smooth picture with all kinds of colours."""
    small_HW3 = np.random.default_rng(seed).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small_HW3).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def tensor(image_HW3: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(image_HW3)).permute(2, 0, 1)


def drawn(photometric: Photometric, count: int = 400) -> Iterator[Change]:
    generator = np.random.default_rng(3)
    return (photometric.draw(generator) for _ in range(count))


def largest_difference(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def any_values(seed: int) -> Photometric:
    """Values from anywhere in their ranges."""
    random = np.random.default_rng(seed)
    share = {name: float(random.random()) for name in Photometric._fields if name not in ("blur_sigma", "jpeg_quality")}
    share |= {"gamma": 2 * share["gamma"], "hue": share["hue"] / 2, "noise": 64 * share["noise"]}
    low, high = sorted(random.uniform(0.05, 4, 2).tolist())
    worst, best = sorted(random.integers(1, 101, 2).tolist())
    return Photometric(**share, blur_sigma=(low, high), jpeg_quality=(worst, best))


# ------------------------------------------------------------------------------------------------------ as a whole


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_values_are_bytes_stay_bytes_and_the_label_stays(seed: int) -> None:
    label_HW = np.random.default_rng(seed).integers(0, 19, (HEIGHT, WIDTH), dtype=np.uint8)
    augment = Augment(False, (1.0, 1.0), 0.0, any_values(seed))
    image_HW3, changed_HW = augment(picture(seed), label_HW, np.random.default_rng(seed))
    assert (image_HW3.shape, image_HW3.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert image_HW3.flags.c_contiguous
    np.testing.assert_array_equal(changed_HW, label_HW)
    again_HW3, _ = augment(picture(seed), label_HW, np.random.default_rng(seed))
    np.testing.assert_array_equal(image_HW3, again_HW3)
    other_HW3, _ = augment(picture(seed), label_HW, np.random.default_rng(seed + 100))
    assert not np.array_equal(image_HW3, other_HW3)


@pytest.mark.parametrize("seed", range(25))
def test_a_change_takes_as_many_random_numbers_whatever_the_values_are(seed: int) -> None:
    first, second = np.random.default_rng(seed), np.random.default_rng(seed)
    OFF.draw(first)
    any_values(seed).draw(second)
    assert first.bit_generator.state == second.bit_generator.state


def test_the_image_that_goes_in_is_not_written_to() -> None:
    image_HW3, image_3HW = picture(), tensor(picture())
    for change in drawn(STRONG, 10):
        change.of_array(image_HW3)
        change(image_3HW)
    np.testing.assert_array_equal(image_HW3, picture())
    assert torch.equal(image_3HW, tensor(picture()))


def test_array_and_tensor_are_changed_alike() -> None:
    for change in drawn(STRONG._replace(jpeg_chance=0.5), 20):
        changed_HW3 = change(tensor(picture())).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(change.of_array(picture()), changed_HW3)


def test_no_strength_changes_nothing() -> None:
    for change in drawn(OFF, 20):
        np.testing.assert_array_equal(change.of_array(picture()), picture())


def test_the_photometric_change_comes_last_and_takes_no_other_changes_numbers() -> None:
    label_HW = np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH).astype(np.uint8)
    changes = (True, (0.5, 2.0), 0.3)
    for seed in range(10):
        generator, again = np.random.default_rng(seed), np.random.default_rng(seed)
        before_HW3, before_HW = Augment(*changes)(picture(), label_HW, generator)
        after_HW3, after_HW = Augment(*changes, STRONG)(picture(), label_HW, again)
        np.testing.assert_array_equal(after_HW, before_HW)
        np.testing.assert_array_equal(after_HW3, STRONG.draw(generator).of_array(before_HW3))


def test_every_pixel_of_a_grey_image_stays_grey_where_channels_change_alike() -> None:
    grey_HW3 = np.repeat(picture()[..., :1], 3, axis=2)
    for change in drawn(STRONG._replace(channel=0.0, noise_chance=0.0, hue=0.5), 30):
        changed_HW3 = change.of_array(grey_HW3)
        assert largest_difference(changed_HW3, changed_HW3[..., :1]) <= 1


# --------------------------------------------------------------------------------------------------- what is drawn


def test_strong_is_what_was_measured() -> None:
    changes = list(drawn(STRONG, 2000))
    gain = np.array([change.gain_3 for change in changes])
    assert (0.5 * 0.75 <= gain.min() < 0.45) and (1.7 < gain.max() <= 1.5 * 1.25)
    apart = gain.max(axis=1) / gain.min(axis=1)
    assert 1.5 < apart.max() <= 1.25 / 0.75
    offset = np.array([change.offset for change in changes])
    assert (-64 <= offset.min() < -62) and (62 < offset.max() <= 64)
    gamma = np.log([change.gamma for change in changes])
    assert (-0.5 <= gamma.min() < -0.48) and (0.48 < gamma.max() <= 0.5)
    blur = np.array([change.blur for change in changes])
    noise = np.array([change.noise for change in changes])
    assert (0.3 <= blur[blur > 0].min() < 0.32) and (1.48 < blur.max() <= 1.5)
    assert (0 < noise[noise > 0].min() < 0.1) and (7.9 < noise.max() <= 8)
    for share in ((gamma != 0).mean(), (blur > 0).mean(), (noise > 0).mean()):
        assert share == pytest.approx(0.5, abs=0.04)
    assert not any(change.quality for change in changes)


def test_saturation_goes_from_half_to_one_and_a_half_and_a_fifth_turn_grey() -> None:
    # A matrix s·1 + (1-s)·grey has the trace 1 + 2s.
    saturation = (np.array([np.trace(change.colour_33) for change in drawn(STRONG, 2000)]) - 1) / 2
    grey = np.isclose(saturation, 0)
    assert grey.mean() == pytest.approx(0.2, abs=0.03)
    assert (0.5 <= saturation[~grey].min() < 0.52) and (1.48 < saturation.max() <= 1.5)


def test_qualities_of_jpegs_are_within_their_range_and_as_often_as_their_chance() -> None:
    quality = np.array(
        [change.quality for change in drawn(OFF._replace(jpeg_quality=(30, 60), jpeg_chance=0.25), 2000)]
    )
    assert (quality > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert set(quality) - {0} == set(range(30, 61))


def test_mild_is_milder_in_everything() -> None:
    mild = values(strength="mild")
    for name, value in mild._asdict().items():
        assert np.all(np.array(value) <= np.array(getattr(STRONG, name))), name
    assert mild.contrast > 0


def test_mixed_images_may_get_less_noise_and_blur_than_others() -> None:
    mixed = photometric_of(Augmentation(photometric="strong"), noise_and_blur=0.6)
    assert mixed is not None
    assert (mixed.noise_chance, mixed.blur_chance) == pytest.approx((0.3, 0.3))
    assert mixed._replace(noise_chance=0.5, blur_chance=0.5) == STRONG
    assert photometric_of(Augmentation(), noise_and_blur=0.6) is None


def test_a_training_section_gives_its_values_to_the_images_changes() -> None:
    assert augment_of(Training(steps=1)).photometric is None
    training = Training.model_validate({"steps": 1, "augmentation": {"photometric": {"strength": "mild", "hue": 0.1}}})
    assert augment_of(training).photometric == values(strength="mild")._replace(hue=0.1)


# ---------------------------------------------------------------------------------------------- each change by itself


def test_light_by_hand() -> None:
    flat_HW3 = np.full((4, 5, 3), (28, 128, 228), dtype=np.uint8)
    changed_HW3 = NOTHING._replace(gain_3=(1.2, 1.2, 0.5), offset=10.0).of_array(flat_HW3)
    np.testing.assert_array_equal(changed_HW3[0, 0], [18, 138, 188])  # (b - 128)·gain + 128 + 10
    changed_HW3 = NOTHING._replace(gamma=2.0).of_array(flat_HW3)
    np.testing.assert_array_equal(changed_HW3[0, 0], [3, 64, 204])  # 255·(b / 255)²


def test_light_saturates_before_gamma_and_black_and_white_stay() -> None:
    both_HW3 = np.array([[[0, 255, 128]]], dtype=np.uint8)
    np.testing.assert_array_equal(NOTHING._replace(gamma=0.6).of_array(both_HW3)[0, 0, :2], [0, 255])
    bright = NOTHING._replace(gain_3=(3.0,) * 3, gamma=0.6)
    np.testing.assert_array_equal(bright.of_array(both_HW3)[0, 0, :2], [0, 255])


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_gamma_is_torchvisions(gamma: float) -> None:
    expected_3HW = transforms.adjust_gamma(tensor(picture()).float() / 255, gamma).mul(255).round().byte()
    assert torch.equal(NOTHING._replace(gamma=gamma)(tensor(picture())), expected_3HW)


@pytest.mark.parametrize("saturation", [0.0, 0.5, 1.4])
def test_saturation_is_torchvisions(saturation: float) -> None:
    only = OFF._replace(saturation=abs(saturation - 1), grey_chance=float(saturation == 0))
    colour_33 = next(
        change.colour_33
        for change in drawn(only, 4000)
        if abs((np.trace(change.colour_33) - 1) / 2 - saturation) < 1e-3
    )
    changed_3HW = NOTHING._replace(colour_33=colour_33)(tensor(picture()))
    expected_3HW = transforms.adjust_saturation(tensor(picture()), saturation)
    assert int((changed_3HW.int() - expected_3HW.int()).abs().max()) <= 1


def test_a_turn_of_the_hue_keeps_every_pixels_grey() -> None:
    middle_HW3 = (96 + picture() // 4).astype(np.uint8)  # no turn leaves the bytes' range
    turned = 0
    for change in drawn(OFF._replace(hue=0.5), 30):
        changed_HW3 = change.of_array(middle_HW3)
        assert np.abs(changed_HW3 @ GREY_3 - middle_HW3 @ GREY_3).max() <= 0.51  # each byte is rounded
        turned += largest_difference(changed_HW3, middle_HW3) > 10
    assert turned > 20


def test_three_thirds_of_a_turn_are_a_whole_one() -> None:
    third_33 = next(
        np.array(change.colour_33)
        for change in drawn(OFF._replace(hue=0.5), 4000)
        if abs(np.trace(change.colour_33)) < 1e-3  # 1 + 2·cos(2π/3) = 0
    )
    np.testing.assert_allclose(third_33 @ third_33 @ third_33, np.eye(3), atol=5e-3)
    assert np.abs(third_33 - np.eye(3)).max() > 0.3


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.5])
def test_blur_is_torchvisions_within_the_border(sigma: float) -> None:
    radius = int(np.ceil(3 * sigma))
    image_3HW = tensor(picture()).float()
    expected_3HW = transforms.gaussian_blur(image_3HW, [2 * radius + 1] * 2, [sigma, sigma])
    inside = (slice(None), slice(radius, -radius), slice(radius, -radius))
    torch.testing.assert_close(gaussian_blur(image_3HW, sigma)[inside], expected_3HW[inside], atol=0.01, rtol=0)


def test_blur_keeps_a_flat_image_and_is_wider_than_a_small_image_may_be() -> None:
    flat_3HW = torch.full((3, 4, 5), 77.0)
    torch.testing.assert_close(gaussian_blur(flat_3HW, 6.0), flat_3HW)


def test_noise_has_its_sigma_no_mean_and_differs_between_pixels_and_channels() -> None:
    flat_HW3 = np.full((100, 100, 3), 128, dtype=np.uint8)
    noise_HW3 = NOTHING._replace(noise=6.0).of_array(flat_HW3).astype(float) - 128
    assert noise_HW3.std() == pytest.approx(6, rel=0.03)
    assert noise_HW3.mean() == pytest.approx(0, abs=0.15)
    for shifted in (np.roll(noise_HW3, 1, 0), np.roll(noise_HW3, 1, 1), np.roll(noise_HW3, 1, 2)):
        assert abs(np.corrcoef(noise_HW3.ravel(), shifted.ravel())[0, 1]) < 0.03


def test_noise_is_that_of_its_seed() -> None:
    noisy = NOTHING._replace(noise=6.0)
    np.testing.assert_array_equal(noisy.of_array(picture()), noisy.of_array(picture()))
    assert not np.array_equal(noisy.of_array(picture()), noisy._replace(seed=8).of_array(picture()))
    assert len({change.seed for change in drawn(STRONG, 100)}) == 100


def test_a_jpeg_of_low_quality_is_further_from_the_image() -> None:
    grey_HW3 = np.repeat(picture()[..., :1], 3, axis=2)  # a JPEG halves the resolution of colours at any quality
    changed = [NOTHING._replace(quality=quality).of_array(grey_HW3) for quality in (10, 50, 95)]
    far, middle, near = (np.abs(changed_HW3.astype(int) - grey_HW3).mean() for changed_HW3 in changed)
    assert 0 < near < 1.5
    assert far > 1.5 * middle > 3 * near


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_changes_an_image_as_a_cpu_does_up_to_the_noise() -> None:
    for change in drawn(STRONG._replace(noise_chance=0.0, hue=0.1, jpeg_chance=0.2), 50):
        on_gpu_3HW = change(tensor(picture()).cuda()).cpu()
        assert int((on_gpu_3HW.int() - change(tensor(picture())).int()).abs().max()) <= (6 if change.quality else 1)
    noisy = NOTHING._replace(noise=6.0)
    assert torch.equal(noisy(tensor(picture()).cuda()), noisy(tensor(picture()).cuda()))


# --------------------------------------------------------------------------------------------------------- in training


def sample_at(index: int, generator: np.random.Generator) -> Sample:
    label_HW = np.random.default_rng(index).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)
    return f"image-{index}", *Augment(True, (0.8, 1.5), 0.0, STRONG)(picture(index), label_HW, generator)


def losses(folder: Path, *, seed: int = 1, threads: int = 2) -> str:
    torch.manual_seed(0)
    model = build_model("lenet", 3)
    set_normalisation(model, "frozen")
    optimiser = make_optimiser(model.parameter_groups(), Optimiser())
    plan = Plan(4, Schedule(), None, 10, 1, threads, False)
    streams = [Stream("source", sample_at, 5, 2, seed)]
    train(model, supervised, streams, optimiser, plan, select_device("cpu", "float32"), folder, name="p", seed=seed)
    return next(folder.rglob("source.tsv")).read_text()


def test_the_same_seed_gives_the_same_losses(tmp_path: Path) -> None:
    first = losses(tmp_path / "a")
    assert first == losses(tmp_path / "b", threads=3)
    assert first != losses(tmp_path / "c", seed=2)


def test_loader_threads_start_no_threads_of_their_own() -> None:
    seen = []

    def counting(index: int, generator: np.random.Generator) -> Sample:
        seen.append(torch.get_num_threads())
        return sample_at(index, generator)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        list(prefetched([Stream("source", counting, 5, 2, 1)], 0, 4, 2))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_a_section_with_all_its_values_is_the_same_as_its_name() -> None:
    named = Section(strength="mild")
    assert photometric_of(Augmentation(photometric=Section(**named.model_dump()))) == values(strength="mild")
