"""The report: one file without network, with the numbers that were measured."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.inspection.report import percent, write_report
from pipeline.inspection.results import Result
from pipeline.labels import ClassSet

CLASSES = ClassSet("two", ("road & lane", "<sky>"), ((128, 64, 128), (70, 130, 180)))


def result(name: str, kind: str, value: float | None, **more: dict) -> Result:
    iou = {"road & lane": value, "<sky>": None}
    metrics = {"mIoU": value, "large": 0.123}
    return Result(name, kind, metrics, iou, more.get("pseudo", {}), more.get("by_class", {}))


SOURCE = result("source-only", "start", 0.4)
ORACLE = result("oracle", "oracle", 0.6)
ROUND = result(
    "lse-1",
    "lse",
    0.45,
    pseudo={"images": 3, "coverage": 0.512, "precision": 0.876},
    by_class={"road & lane": {"coverage": 0.1, "precision": 0.934}, "<sky>": {"coverage": None, "precision": None}},
)


class Cells(HTMLParser):
    """The text of every table's rows, and all tags that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag not in ("meta", "img", "line", "polyline"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("line", "polyline"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def page_of(results: list[Result], tmp_path: Path) -> tuple[str, list[list[str]]]:
    write_report(tmp_path / "runs", results, CLASSES, "mIoU", tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    parser = Cells()
    parser.feed(page)
    assert parser.open == []  # every tag is closed
    return page, parser.rows


def test_every_run_stands_in_the_table_with_its_numbers(tmp_path: Path) -> None:
    _, rows = page_of([SOURCE, ROUND, ORACLE], tmp_path)
    head = ["run", "method", "mIoU", "large", "Δ mIoU", "gap closed", "coverage", "precision"]
    assert rows[:4] == [
        head,
        ["source-only", "start", "40.0", "12.3", "+0.0", "0 %", "–", "–"],
        ["lse-1", "lse", "45.0", "12.3", "+5.0", "25 %", "51.2", "87.6"],
        ["oracle", "oracle", "60.0", "12.3", "+20.0", "100 %", "–", "–"],
    ]


def test_the_verdict_is_of_the_last_round(tmp_path: Path) -> None:
    worse = result("lse-2", "lse", 0.38)
    page, _ = page_of([SOURCE, ROUND, worse, ORACLE], tmp_path)
    verdict = re.sub(r"<[^>]+>", "", page[page.index('<p class="lead">') : page.index("</p>")])
    assert verdict == (
        "The last round, lse-2, has mIoU 38.0; source only had 40.0: it lost 2.0 points, -10 % of the gap to the "
        "oracle (60.0). The last model counts, not the best."
    )


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    page, rows = page_of([SOURCE, ROUND], tmp_path)
    assert "<sky>" not in page
    assert "road & lane" not in page
    assert page.count("&lt;sky&gt;") == page.count("road &amp; lane") >= 3  # IoU, pseudo-labels, legend
    assert ["run", "road & lane", "<sky>"] in rows


def test_pseudo_labels_of_each_class_are_told_where_they_are_known(tmp_path: Path) -> None:
    page, rows = page_of([SOURCE, ROUND], tmp_path)
    assert ["lse-1 coverage", "10.0", "–"] in rows
    assert ["lse-1 precision", "93.4", "–"] in rows
    page, _ = page_of([SOURCE], tmp_path)
    assert "Pseudo-labels of each class" not in page


def test_without_an_oracle_there_is_no_gap(tmp_path: Path) -> None:
    page, rows = page_of([SOURCE, ROUND], tmp_path)
    assert rows[2][4:6] == ["+5.0", "–"]
    assert "of the gap" not in page


def test_without_a_source_only_start_it_says_what_is_missing(tmp_path: Path) -> None:
    page, _ = page_of([ROUND], tmp_path)
    assert "There is no evaluated source-only start to compare the rounds with." in page


@pytest.mark.parametrize("results", [[], [SOURCE], [ORACLE]])
def test_before_all_is_evaluated_it_says_so(tmp_path: Path, results: list[Result]) -> None:
    page, _ = page_of(results, tmp_path)
    assert "No round has been evaluated yet." in page
    assert json.loads((tmp_path / "report" / "results.json").read_text())["headline"] == "mIoU"


def test_an_evaluation_split_without_labels_is_told(tmp_path: Path) -> None:
    page, rows = page_of([SOURCE, result("lse-1", "lse", None)], tmp_path)
    assert "holds no labelled pixel" in page
    assert rows[2][2:6] == ["–", "12.3", "–", "–"]


def test_the_best_of_each_class_is_marked_among_adapted_runs(tmp_path: Path) -> None:
    page, _ = page_of([SOURCE, ROUND, ORACLE], tmp_path)
    assert re.findall(r'<td class="best">([^<]*)', page) == ["45.0"]


def test_curves_and_pictures_are_inside_the_file_and_nothing_is_fetched(tmp_path: Path) -> None:
    loss = tmp_path / "runs" / "lse-1" / "curves" / "loss"
    loss.mkdir(parents=True)
    (loss / "patches.tsv").write_text("step\tpatches\n1\t0.5\n2\t0.25\n")
    gallery = tmp_path / "runs" / "lse-1" / "gallery"
    gallery.mkdir()
    for what in ("input", "label", "prediction", "entropy"):
        Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(gallery / f"0-{what}.png")
    page, _ = page_of([SOURCE, ROUND], tmp_path)
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 4
    assert page.count("<polyline") == 1
    assert 'alt="prediction of lse-1"' in page
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import", page)


def test_results_are_written_for_programs_too(tmp_path: Path) -> None:
    page_of([SOURCE, ROUND, ORACLE], tmp_path)
    written = json.loads((tmp_path / "report" / "results.json").read_text())
    assert [run["name"] for run in written["runs"]] == ["source-only", "lse-1", "oracle"]
    assert written["runs"][1]["gap_closed"] == pytest.approx(0.25)
    assert written["runs"][1]["mIoU"] == 0.45
    assert written["runs"][1]["IoU"] == {"road & lane": 0.45, "<sky>": None}


def test_percent_by_hand() -> None:
    assert [percent(value) for value in (None, 0.0, 0.12349, 1.0)] == ["–", "0.0", "12.3", "100.0"]
