"""What a translation writes and how it is read again.

# H/W pixels
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.common.errors import ReadableError
from pipeline.params import ColourTranslation, FourierTranslation
from pipeline.translation.colour import histogram, match_histograms, match_moments, moments
from pipeline.translation.fourier import amplitudes, swap_amplitudes
from pipeline.translation.style import Images, open_style, write_style

SIZE = (16, 24)


def pictures(seed: int, count: int) -> Images:
    def each() -> Iterator[np.ndarray]:
        generator = np.random.default_rng(seed)
        return (generator.integers(20 * n, 60 + 20 * n, (*SIZE, 3)).astype(np.uint8) for n in range(count))

    return each


IMAGE = next(iter(pictures(9, 1)()))
TARGETS = list(pictures(2, 3)())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (FourierTranslation(method="fourier", beta=0.1), lambda t: swap_amplitudes(IMAGE, amplitudes(t, 0.1))),
        (ColourTranslation(method="colour"), lambda t: match_moments(IMAGE, moments(t))),
        (
            ColourTranslation(method="colour", statistic="histogram"),
            lambda t: match_histograms(IMAGE, histogram(t)),
        ),
    ],
    ids=["fourier", "moments", "histogram"],
)
def test_each_target_image_is_a_style(settings, expected, tmp_path: Path) -> None:
    write_style(settings, pictures(1, 2), pictures(2, 3), 3, tmp_path / "made")
    style = open_style(tmp_path / "made")
    assert style is not None
    assert len(style.target_R) == 3
    for position, target in enumerate(TARGETS):
        np.testing.assert_array_equal(style.of(IMAGE, position), expected(target))
    assert {style.draw(np.random.default_rng(seed)) for seed in range(30)} == {0, 1, 2}
    again = [style(IMAGE, np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(*again)


@pytest.mark.parametrize(
    ("statistic", "measure", "match"),
    [("moments", moments, match_moments), ("histogram", histogram, match_histograms)],
)
def test_a_domain_is_one_style_for_all(statistic, measure, match, tmp_path: Path) -> None:
    settings = ColourTranslation(method="colour", statistic=statistic, match="domain")
    write_style(settings, pictures(1, 2), pictures(2, 3), 3, tmp_path / "made")
    style = open_style(tmp_path / "made")
    assert style is not None
    assert len(style.target_R) == 1
    target, source = (np.mean([measure(p) for p in images()], axis=0) for images in (pictures(2, 3), pictures(1, 2)))
    difference = style(IMAGE, np.random.default_rng(1)).astype(int) - match(IMAGE, target, source)
    assert np.abs(difference).max() <= 1


def test_equal_images_make_equal_bytes(tmp_path: Path) -> None:
    settings = FourierTranslation(method="fourier")
    for name in ("one", "other"):
        write_style(settings, pictures(1, 2), pictures(2, 3), 3, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["target.npy", "translation.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_folder_without_a_translation_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadableError, match=r"nothing: holds no translation; run `dvc repro translate@nothing`"):
        open_style(tmp_path / "nothing")
