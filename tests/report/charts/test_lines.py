"""A line chart as SVG: well-formed, and the points where they belong."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.report.charts.lines import BASE, LEFT, TOP, WIDTH, line_chart, read_curve


def points_of(svg: str) -> list[list[tuple[float, float]]]:
    lines = ElementTree.fromstring(svg).findall("polyline")
    return [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines]


def test_a_curve_is_read_from_its_tsv(tmp_path: Path) -> None:
    path = tmp_path / "source.tsv"
    path.write_text("step\tsource\n10\t1.5\n20\t0.75\n")
    assert read_curve(path) == [(10.0, 1.5), (20.0, 0.75)]
    path.write_text("step\tsource\n")
    assert read_curve(path) == []


def test_points_stand_at_their_share_of_the_axes() -> None:
    (line,) = points_of(line_chart("loss", {"source": [[(0, 0.0), (50, 1.0), (100, 2.0)]]}))
    assert line == [(LEFT, BASE), (pytest.approx((LEFT + WIDTH - 8) / 2), (BASE + TOP) / 2), (WIDTH - 8, TOP)]


def test_seeds_share_a_colour_and_names_do_not() -> None:
    svg = line_chart("loss", {"source": [[(100, 2.0)], [(100, 1.0)]], "patches": [[(50, 1.0), (100, 2.0)]]})
    (first,), (_,), (_, last) = points_of(svg)
    assert first == last  # all share the axes
    one, other, third = [line.attrib["stroke"] for line in ElementTree.fromstring(svg).findall("polyline")]
    assert one == other != third


def test_names_are_escaped_and_shown() -> None:
    svg = ElementTree.fromstring(line_chart("a < b", {"x & y": [[(100, 1.0)]]}))
    assert svg.attrib["aria-label"] == "a < b"
    assert "x & y" in [node.text for node in svg.iter("tspan")]
    assert "100 steps" in "".join(svg.itertext())


def test_nothing_to_draw_is_nothing() -> None:
    assert line_chart("loss", {}) == ""
    assert line_chart("loss", {"source": [[]]}) == ""


def test_a_curve_of_zeros_is_drawn_on_the_axis() -> None:
    (line,) = points_of(line_chart("loss", {"source": [[(0, 0.0), (10, 0.0)]]}))
    assert line[0][1] == line[1][1] == BASE
