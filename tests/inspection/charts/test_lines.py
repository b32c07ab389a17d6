"""A line chart as SVG: well-formed, and the points where they belong."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.inspection.chart import BOTTOM, HEIGHT, LEFT, WIDTH, line_chart, read_curve


def points_of(svg: str) -> list[list[tuple[float, float]]]:
    lines = ElementTree.fromstring(svg).findall("polyline")
    return [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines]


def test_a_curve_is_read_from_dvclives_tsv(tmp_path: Path) -> None:
    path = tmp_path / "source.tsv"
    path.write_text("step\tsource\n10\t1.5\n20\t0.75\n")
    assert read_curve(path) == [(10.0, 1.5), (20.0, 0.75)]
    path.write_text("step\tsource\n")
    assert read_curve(path) == []


def test_points_stand_at_their_share_of_the_axes() -> None:
    (line,) = points_of(line_chart("loss", {"source": [(0, 0.0), (50, 1.0), (100, 2.0)]}))
    (left, bottom), (middle, half), (right, top) = line
    assert (left, right) == (LEFT, WIDTH)
    assert middle == pytest.approx((LEFT + WIDTH) / 2)
    assert half == pytest.approx((bottom + top) / 2)
    assert 0 < top < bottom < HEIGHT + BOTTOM


def test_all_lines_share_the_axes_and_have_colours_of_their_own() -> None:
    svg = line_chart("loss", {"source": [(100, 2.0)], "patches": [(50, 1.0), (100, 2.0)]})
    (first,), (_, second) = points_of(svg)
    assert first == second
    colours = {line.attrib["stroke"] for line in ElementTree.fromstring(svg).findall("polyline")}
    assert len(colours) == 2


def test_names_are_escaped_and_shown() -> None:
    svg = line_chart("a < b", {"x & y": [(1, 1.0)]})
    texts = [node.text for node in ElementTree.fromstring(svg).iter("text")]
    assert "a < b" in texts
    assert "x & y" in [node.text for node in ElementTree.fromstring(svg).iter("tspan")]
    assert "100 steps" in "".join(str(t) for t in ElementTree.fromstring(line_chart("t", {"x": [(100, 1)]})).itertext())


def test_nothing_to_draw_is_nothing() -> None:
    assert line_chart("loss", {}) == ""
    assert line_chart("loss", {"source": []}) == ""


def test_a_curve_of_zeros_is_drawn_on_the_axis() -> None:
    (line,) = points_of(line_chart("loss", {"source": [(0, 0.0), (10, 0.0)]}))
    assert line[0][1] == line[1][1]
