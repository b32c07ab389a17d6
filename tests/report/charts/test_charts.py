"""Charts of rounds, bars and confusion: well-formed, and what is drawn is what was given."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.evaluation.over_seeds import Spread
from pipeline.report.charts import bars
from pipeline.report.charts.bars import class_bars
from pipeline.report.charts.confusion import confusion_chart, shade, shares_of
from pipeline.report.charts.rounds import Track, rounds_chart
from pipeline.report.charts.scale import Axis, apart, ticks, width_of


def value(mean: float, deviation: float | None = None) -> Spread:
    return Spread(mean, deviation, 1 if deviation is None else 3)


def texts(svg: ElementTree.Element) -> list[str]:
    return ["".join(node.itertext()) for node in svg.iter("text")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0, 0.5, 1]), (0.27, 0.34, [0.28, 0.3, 0.32, 0.34]), (3.0, 3.0, [3.0]), (0.0, 420.0, [0, 200, 400])],
)
def test_ticks_are_round_and_lie_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_an_axis_without_length_has_a_place() -> None:
    assert Axis(2.0, 2.0, 10.0, 20.0).position(2.0) == 10.0
    assert Axis(0.0, 4.0, 10.0, 20.0).position(1.0) == 12.5


def test_names_that_would_touch_are_moved_apart_in_their_order() -> None:
    assert apart([50.0, 10.0, 12.0], 5) == [50.0, 10.0, 15.0]
    assert apart([10.0, 10.0, 10.0], 5) == [10.0, 15.0, 20.0]


def test_rounds_have_a_line_a_whisker_and_a_name_each() -> None:
    tracks = [Track("A & B", {0: value(0.3, 0.01), 1: value(0.35, 0.02)}), Track("C", {0: value(0.3), 1: value(0.2)})]
    svg = ElementTree.fromstring(rounds_chart("mIoU", tracks, {"oracle": value(0.5)}, least=0.05))
    assert len(svg.findall("polyline")) == 2
    whiskers = [path for path in svg.findall("path") if "V" in path.attrib["d"]]
    assert len(whiskers) == 2
    assert {"A & B 35.0", "C 20.0", "oracle 50.0", "initial", "round 1"} <= set(texts(svg))
    (up,), (down,) = ([line.attrib["points"].split()[-1].split(",")[1]] for line in svg.findall("polyline"))
    assert float(up) < float(down)


def test_a_small_difference_does_not_look_steep() -> None:
    flat = ElementTree.fromstring(rounds_chart("p", [Track("A", {1: value(0.950), 2: value(0.951)})], {}, least=0.2))
    first, last = (float(p.split(",")[1]) for p in flat.findall("polyline")[0].attrib["points"].split())
    assert 0 < first - last < 3
    assert "105" not in texts(flat)  # a share has no more than 100 percent


def test_nothing_to_draw_is_nothing() -> None:
    assert rounds_chart("mIoU", [], {"oracle": value(0.5)}, least=0.1) == ""
    assert rounds_chart("mIoU", [Track("A", {})], {}, least=0.1) == ""
    assert class_bars("IoU", ["road"], {}, {}, None) == ""


def test_bars_are_as_long_as_their_values_and_unknown_ones_are_not_drawn() -> None:
    svg = ElementTree.fromstring(
        class_bars("IoU", ["a<b", "c"], {"source": [value(0.5), None]}, {"LSE": [value(0.25, 0.1), value(1.0)]}, None)
    )
    drawn = [rect for rect in svg.findall("rect") if rect.find("title") is not None]
    whole = bars.WIDTH - 12 - bars.LEFT
    assert [float(rect.attrib["width"]) for rect in drawn] == pytest.approx([whole / 2, whole / 4, whole], abs=0.1)
    assert [rect.find("title").text for rect in drawn] == ["a<b: 50.0", "a<b: 25.0", "c: 100.0"]  # type: ignore[union-attr]
    assert "oracle" not in texts(svg)


def test_a_long_legend_goes_on_in_another_line() -> None:
    tracks = {f"LSE from another start {number}": [value(0.5)] for number in range(4)}
    svg = ElementTree.fromstring(class_bars("IoU", ["road"], {"source": [value(0.5)]}, tracks, [value(0.6)]))
    places = [group.attrib["transform"].removeprefix("translate(").rstrip(")").split() for group in svg.findall("g")]
    names = [group.find("text").text for group in svg.findall("g")]  # type: ignore[union-attr]
    assert names == ["source", *tracks, "oracle"]
    assert len({line for _, line in places}) > 1 and places[0] == [str(bars.LEFT), "0"]
    for (x, _), name in zip(places, names, strict=True):
        assert int(x) + 14 + width_of(str(name)) <= bars.WIDTH
    first = next(rect for rect in svg.findall("rect") if rect.find("title") is not None)
    assert float(first.attrib["y"]) > max(int(line) for _, line in places) + bars.LINE


@pytest.mark.parametrize("label", ["LSE", "LSE from translated", "CADA → LSE from a start with a long name"])
def test_the_names_of_lines_have_room(label: str) -> None:
    svg = ElementTree.fromstring(rounds_chart("mIoU", [Track(label, {0: value(0.3), 1: value(0.35)})], {}, least=0.05))
    (name,) = [text for text in svg.findall("text") if text.text == f"{label} 35.0"]
    width = float(svg.attrib["viewBox"].split()[2])
    assert float(name.attrib["x"]) + width_of(str(name.text)) <= width
    ends = [float(line.attrib["points"].split()[-1].split(",")[0]) for line in svg.findall("polyline")]
    assert 260 < max(ends) < float(name.attrib["x"])


def test_confusion_shows_shares_of_the_true_class_by_hand() -> None:
    confusion_CC = np.array([[3, 1, 0], [0, 0, 0], [5, 0, 5]])
    np.testing.assert_array_equal(shares_of(confusion_CC)[[0, 2]], [[0.75, 0.25, 0], [0.5, 0, 0.5]])
    assert np.isnan(shares_of(confusion_CC)[1]).all()
    svg = ElementTree.fromstring(confusion_chart("lse-1", confusion_CC, ["a", "b", "c"]))
    titles = [node.text for node in svg.iter("title")]
    assert titles == [
        "a → a: 75.0 %",
        "a → b: 25.0 %",
        "a → c: 0.0 %",
        "c → a: 50.0 %",
        "c → b: 0.0 %",
        "c → c: 50.0 %",
    ]
    assert len(svg.findall("rect")) == 9
    numbers = [node.text for node in svg.iter("text") if node.attrib.get("class") == "number"]
    assert numbers == ["75", "25", "50", "50"]


def test_shades_go_from_white_to_dark() -> None:
    assert shade(0.0) == "#ffffff"
    assert shade(1.0) == shade(2.0) == "#08306b"
