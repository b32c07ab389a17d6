"""The layout ``cracks``: generated surfaces with cracks, which ``prepare`` draws (pipeline/datasets/cracks)."""

from __future__ import annotations

from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.streets import not_drawn_yet
from pipeline.datasets.meaning import Meanings, numbered

CRACK_IDS: Meanings = numbered((("background", "background"), ("crack", "crack")))

CRACKS = Layout("cracks", not_drawn_yet, lambda _split: CRACK_IDS)
