"""An image file, whole, for prediction; one that is too large says what to do."""

from __future__ import annotations

import warnings

from PIL import Image

from pipeline.datasets.decoding import read_image
from pipeline.datasets.problems import DataError
from pipeline.prediction.pictures import Picture

IN_TILES = "predict it in tiles: --tile 512x1024"


def read_picture(picture: Picture, advice: str = IN_TILES) -> Image.Image:
    """Return the whole picture in mode RGB.

    Raises:
        DataError: it is damaged, or of more pixels than Pillow decodes; then ``advice`` says what to do.
    """
    pixels = _pixels_beyond_limit(picture)
    if pixels:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise DataError(f"is of {pixels / 1e6:.0f} megapixels, and at most {limit:.0f} are read whole; {advice}")
    return read_image(picture.path.read_bytes(), picture.reading)


def _pixels_beyond_limit(picture: Picture) -> int:
    """Return the number of pixels of a picture that Pillow takes for a bomb; 0 of others, readable or not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.open(picture.path).close()
    except Image.DecompressionBombError as error:
        return next((int(word.strip("()")) for word in str(error).split() if word.strip("()").isdigit()), 1)
    except Exception:  # whoever decodes it has words for it
        return 0
    return 0
