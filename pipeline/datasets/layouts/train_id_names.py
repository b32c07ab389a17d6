"""Labels by a converter of other projects: ``0000000_labelTrainIds.png``, often beside the published ones."""

from __future__ import annotations

from pipeline.datasets.listing import Naming, without_suffix

TRAIN_ID_ENDING = "_labelTrainIds.png"


def _identity(name: str) -> str:
    return without_suffix(name.removesuffix(TRAIN_ID_ENDING) + ".png" if name.endswith(TRAIN_ID_ENDING) else name)


def _image_of_label(name: str) -> str:
    return _identity(name) + ".png"


NAMING = Naming(_identity, _image_of_label)
