"""Parts of messages."""

from __future__ import annotations

from pipeline.common.errors import counted


def test_a_number_with_its_noun() -> None:
    counts = [counted(number, "image") for number in (0, 1, 2975)]
    assert counts == ["0 images", "1 image", "2,975 images"]
    assert counted(2, "class", "classes") == "2 classes"
