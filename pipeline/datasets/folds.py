"""Folds of an evaluation."""


def fold_of(position: int, images: int, folds: int) -> int:
    """Return the fold (from 0) in which an image is scored: the sorted ids are cut into runs.

    Runs, not every tenth: neighbouring ids are views of one panorama, which must not be on both sides.
    """
    return position * folds // images
