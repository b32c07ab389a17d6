"""The report: one file without network, with the numbers that were measured."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from pipeline.health.finding import Verdict
from pipeline.report.gallery import drawing, photograph
from pipeline.report.page.render import render
from pipeline.report.seed_set import Bundle, SeedSet
from pipeline.report.write import write_report
from tests.health.records import health_record
from tests.report.records import made_by, record_of_runs, round_record, run_record

VOID = ("meta", "img", "line", "polyline", "path", "rect", "circle")
SOURCE, ORACLE = run_record("source-only", "initial", 0.4), run_record("oracle", "oracle", 0.6)
ROUND = round_record("lse-1", 0.45)
NO_CONTROL = " No control with equal steps was run: more training on the source may earn as much."


class Cells(HTMLParser):
    """The text of every table's rows, and all tags that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID or (tag == "rect" and not self.get_starttag_text().endswith("/>")):  # type: ignore[union-attr]
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data if "small" not in self.open else f" {data}"


def page_of(runs: list[dict[str, Any]], *others: list[dict[str, Any]]) -> tuple[str, list[list[str]]]:
    """The page of one seed, or of several (one list of runs each), and the rows of all its tables."""
    records = [record_of_runs(one, seed) for seed, one in enumerate((runs, *others), start=1)]
    nothing: dict[str, Any] = {"gallery": [], "sample": []}
    page = render(SeedSet([Bundle(record, made_by(), nothing, Path()) for record in records]))
    parser = Cells()
    parser.feed(page)
    assert parser.open == []  # every tag is closed
    return page, parser.rows


def leads(page: str) -> list[str]:
    return re.findall(r'<p class="lead">([^<]*)</p>', page)


def test_averages_of_weights_are_named_with_their_decay() -> None:
    first, second = round_record("lse-1", 0.45, ema=0.98), round_record("lse-2", 0.5, "lse-1", ema=1 - 1 / 120)
    page, _ = page_of([SOURCE, first, second])
    assert "Exponential moving averages of the weights (decay): lse-1 (0.98), lse-2 (0.9917)." in page
    assert "moving average" not in page_of([SOURCE, ROUND])[0]


def test_the_verdict_comes_first_and_is_of_the_last_round() -> None:
    page, rows = page_of([SOURCE, ROUND, round_record("lse-2", 0.38, "lse-1"), ORACLE])
    assert leads(page) == [
        f"LSE loses 2.0 points of mIoU in 2 rounds: 40.0 → 38.0, -10 % of the gap to the oracle.{NO_CONTROL}"
    ]
    assert "One seed (1)" in page
    assert page.index('class="lead"') < page.index("<table>")
    assert rows[:4] == [
        ["method", "initial", "round 1", "round 2", "Δ", "gap closed"],
        ["source-only", "40.0", "", "", "+0.0", "0 %"],
        ["LSE", "40.0", "45.0", "38.0", "-2.0", "-10 %"],
        ["oracle", "60.0", "", "", "+20.0", "100 %"],
    ]


def test_every_run_stands_in_the_table_with_its_numbers() -> None:
    _, rows = page_of([SOURCE, ROUND, ORACLE])
    head = ["run", "method", "begins with", "mIoU", "pixel accuracy", "Δ mIoU", "gap closed", "coverage", "precision"]
    place = rows.index(head)
    assert rows[place + 1 : place + 4] == [
        ["source-only", "initial", "–", "40.0", "90.0", "+0.0", "0 %", "–", "–"],
        ["lse-1", "lse", "source-only", "45.0", "90.0", "+5.0", "25 %", "51.2", "87.6"],
        ["oracle", "oracle", "–", "60.0", "90.0", "+20.0", "100 %", "–", "–"],
    ]


def test_seeds_are_told_as_mean_and_deviation_and_gains_seed_by_seed() -> None:
    oracle = run_record("oracle", "oracle", 0.7)
    seeds = [
        [run_record("source-only", "initial", start), round_record("lse-1", start + gain), oracle]
        for start, gain in ((0.40, 0.04), (0.50, 0.05), (0.30, 0.06))
    ]
    page, rows = page_of(*seeds)
    assert leads(page) == [
        "LSE gains 5.0 ± 1.0 points of mIoU in 1 round: 40.0 ± 10.0 → 45.0 ± 9.5, 17 % of the gap to the oracle; "
        f"more than the spread over the seeds.{NO_CONTROL}"
    ]
    assert "3 seeds (1, 2, 3)" in page
    assert ["LSE", "40.0 ± 10.0", "45.0 ± 9.5", "+5.0 ± 1.0", "17 %"] in rows


def test_a_gain_within_the_spread_is_called_so() -> None:
    seeds = [[run_record("source-only", "initial", 0.4), round_record("lse-1", value)] for value in (0.35, 0.46)]
    page, _ = page_of(*seeds)
    assert leads(page)[0].endswith(f"; within the spread over the seeds.{NO_CONTROL}")
    assert "of the gap" not in page.split("</section>")[0].replace("Gap closed", "")


def judged(name: str, verdict: Verdict, reason: str = "", result: Literal["trained", "init"] = "trained") -> dict:
    return round_record(name, 0.45, health=health_record(verdict, reason, result).as_json())


def warnings(page: str) -> list[str]:
    return re.findall(r'<p class="warning">([^<]*)</p>', page)


def test_a_round_that_does_not_hold_has_a_sentence_and_every_round_a_word_and_its_criteria() -> None:
    fails = judged("lse-2", "fails", "<sky> has 0.2 % of the pixels where source-only saw 5.1 %", "init")
    page, rows = page_of([SOURCE, judged("lse-1", "holds"), fails, round_record("lse-3", 0.45), ORACLE])
    assert warnings(page) == [
        "Verdict without labels on lse-2: fails: &lt;sky&gt; has 0.2 % of the pixels where source-only saw 5.1 %; "
        "its result is its init&#39;s network (guard)."
    ]
    assert page.index('class="warning"') < page.index("<table>")
    head = next(number for number, row in enumerate(rows) if row[0] == "run")
    assert {row[0]: row[-1] for row in rows[head : head + 6]} == {
        "run": "verdict", "source-only": "–", "lse-1": "holds", "lse-2": "fails", "lse-3": "–", "oracle": "–",
    }  # fmt: skip
    criteria = rows.index(["criterion", "lse-1", "lse-2"])
    assert [row[:2] for row in rows[criteria + 1 : criteria + 7]] == [
        ["drift of the classes' shares, nats", "0.120 fails above 0.2"],
        ["class that lost most", "<sky> × 0.04 fails below × 0.3"],
        ["class that gained most", "road & lane × 1.02 fails above × 3"],
        ["IoU on the held-back source, percent", "61.0 fails below 59.0"],
        ["agreement with the ensemble, percent", "74.0 fails below 75.0, doubtful below 79.0"],
        ["IoU between an image and its mirror image, percent", "–"],
    ]
    table = page[page.index("Criteria of the verdict") :].split("</table>")[0]
    assert len(re.findall('<td class="strong" style="background:[^"]+">', table)) == 4  # lost most, agreement; 2 rounds


def test_criteria_that_do_not_judge_say_so() -> None:
    lse = judged("lse-1", "holds")
    lse["health"]["criteria"]["agreement"]["verdict"] = None
    _, rows = page_of([SOURCE, lse])
    assert ["agreement with the ensemble, percent", "74.0 not judged"] in rows


def test_verdicts_of_several_seeds_are_counted_and_each_has_its_sentence() -> None:
    page, rows = page_of(
        [SOURCE, judged("lse-1", "holds")],
        [SOURCE, judged("lse-1", "doubtful", "agrees with the ensemble on 74.0 % of each class")],
        [SOURCE, judged("lse-1", "holds")],
    )
    assert warnings(page) == [
        "Verdict without labels on lse-1 (seed 2): doubtful: agrees with the ensemble on 74.0 % of each class."
    ]
    assert "doubtful (1), holds (2)" in [row[-1] for row in rows]
    assert re.findall(r"<caption>(Criteria[^<]*)", page) == [
        f"Criteria of the verdict without labels (seed {seed})" for seed in (1, 2, 3)
    ]


def test_a_verdict_that_cannot_be_read_is_a_warning_and_without_any_nothing_is_shown() -> None:
    page, _ = page_of([SOURCE, round_record("lse-1", 0.45, health={"problem": "health.json: is broken"})])
    assert warnings(page) == ["Verdict without labels on lse-1: health.json: is broken."]
    assert "Criteria of the verdict" not in page
    page, rows = page_of([SOURCE, ROUND, ORACLE])
    assert warnings(page) == []
    assert "without labels" not in page
    assert "verdict" not in [row[-1] for row in rows]


def test_names_are_escaped_everywhere() -> None:
    page, rows = page_of([SOURCE, ROUND])
    assert "<sky>" not in page
    assert "road & lane" not in page
    assert page.count("&lt;sky&gt;") >= 6  # bars, IoU, pseudo-labels, confusion, legend
    assert "<sky>" in [row[0] for row in rows]


def test_the_page_runs_no_script_and_loads_nothing_whatever_stands_in_it() -> None:
    page, _ = page_of([SOURCE, ROUND])
    assert """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">""" in page
    assert "<script" not in page


def test_pseudo_labels_thresholds_and_frequencies_by_hand() -> None:
    page, rows = page_of([SOURCE, ROUND])
    assert ["road & lane", "0.250"] in rows  # threshold
    assert ["<sky>", "–"] in rows
    assert ["road & lane", "10.0"] in rows  # coverage
    assert ["road & lane", "93.4"] in rows  # precision
    # half of the truth is road, 30 of 40 predicted pixels, all pseudo-labels
    assert ["road & lane", "50.0", "75.0", "100.0"] in rows
    assert ["<sky>", "50.0", "25.0", "0.0"] in rows
    assert "LSE keeps pixels of lower entropy (as a share of ln C). –" in page
    page, _ = page_of([SOURCE])
    assert 'id="pseudo-labels"' not in page


def test_every_method_s_thresholds_are_told_in_their_own_unit() -> None:
    units = {"lse": "entropy within its class in the image", "cada": "nats", "cbst": "probability"}
    rounds = [
        round_record(f"{kind}-1", 0.45, kind=kind, selection=ROUND["selection"] | {"unit": unit})
        for kind, unit in units.items()
    ]
    page, _ = page_of([SOURCE, *rounds])
    assert (
        "LSE keeps pixels of lower entropy (0 to 1 within their class in their image). CADA keeps pixels of lower "
        "entropy (nats). CBST keeps pixels of larger probability. –" in page
    )


def test_a_class_that_is_predicted_nowhere_has_no_threshold() -> None:
    """LSE writes 0 there, which would read as a class of which nothing is trusted."""
    selection = ROUND["selection"] | {"thresholds": {"road & lane": 0.0, "<sky>": 0.0}}
    cache = ROUND["cache"] | {"predicted_pixels": {"road & lane": 40, "<sky>": 0}}
    _, rows = page_of([SOURCE, round_record("lse-1", 0.45, selection=selection, cache=cache)])
    thresholds = rows.index(["class", "lse-1"])
    assert rows[thresholds + 1 : thresholds + 3] == [["road & lane", "0.000"], ["<sky>", "–"]]


def test_the_oracle_s_loss_is_on_the_target_s_labels() -> None:
    page, _ = page_of([SOURCE, ORACLE])
    names = re.findall(r">([^<]*): loss<tspan[^>]*>([^<]*)</tspan>", page)
    assert names == [("source-only", "source"), ("oracle", "target labels")]


def test_mistakes_are_listed_by_the_pixels_that_they_cost() -> None:
    _, rows = page_of([SOURCE | {"confusion": [[90, 10], [6, 4]]}, ROUND])
    place = rows.index(["truth → prediction", "source-only", "lse-1"])
    assert rows[place + 1 : place + 3] == [
        ["road & lane → <sky>", "10.0", "20.0"],
        ["<sky> → road & lane", "60.0", "10.0"],
    ]


def test_classes_that_are_merged_in_the_evaluation_are_left_out_there_and_stay_among_the_pseudo_labels() -> None:
    record = record_of_runs([SOURCE | {"confusion": [[5]]}, ROUND | {"confusion": [[5]]}])
    record["classes"]["evaluated"] = ["road & lane"]
    parser = Cells()
    parser.feed(render(SeedSet([Bundle(record, made_by(), {"gallery": [], "sample": []}, Path())])))
    assert ["road & lane", "40.0", "45.0", "+5.0"] in parser.rows
    assert ["<sky>", "–", "–", "–"] not in parser.rows  # no IoU
    assert ["<sky>", "–", "25.0", "0.0"] in parser.rows  # but a frequency among the pseudo-labels


def test_without_a_source_only_start_it_says_what_is_missing() -> None:
    page, _ = page_of([ROUND])
    assert leads(page) == ["There is no evaluated source-only initial model to compare the rounds with."]


@pytest.mark.parametrize("runs", [[], [SOURCE], [ORACLE]])
def test_before_all_is_evaluated_it_says_so(runs: list[dict[str, Any]]) -> None:
    page, _ = page_of(runs)
    assert leads(page) == ["No round has been evaluated yet."]


def test_an_evaluation_split_without_labels_is_told() -> None:
    nothing = {"confusion": [[0, 0], [0, 0]], "pixel_accuracy": None}
    page, rows = page_of([run_record("source-only", "initial", None) | nothing, round_record("lse-1", None) | nothing])
    assert leads(page) == ["The evaluation split holds no labelled pixel."]
    assert ["road & lane", "–", "–", "–"] in rows


def test_a_class_that_a_chain_has_lost_is_marked() -> None:
    page, rows = page_of([SOURCE, round_record("lse-1", 0.36), ORACLE])
    assert ["road & lane", "40.0", "36.0", "60.0", "-4.0"] in rows
    table = page[page.index("IoU, percent") : page.index("Bold: the best")]
    assert re.findall(r'style="background:rgb\(213 94 0[^"]*">([^<]*)', table) == ["-4.0"]
    assert "213 94 0" not in page_of([SOURCE, round_record("lse-1", 0.38)])[0].split("Bold: the best")[0]


def test_the_page_asks_and_answers_four_questions_before_all_tables() -> None:
    page, _ = page_of([SOURCE, round_record("lse-1", 0.36), ORACLE])
    head = page[: page.index("<table>")]
    assert re.findall(r"<h3>([^<]*)</h3>", head) == [
        "Did it work?", "Which classes?", "Can I trust it?", "What next?",
    ]  # fmt: skip
    assert "<pre><code>roundabout compare source-only lse-1\nroundabout inspect lse-1</code></pre>" in head


def test_the_machine_and_the_date_are_named_where_they_were_recorded() -> None:
    machine = {"processor": "A <64", "threads": 4, "device": "cpu", "date": "2026-11-28"}
    made = made_by() | {"machine": machine, "versions": {"torch": "2.14"}}
    page = render(SeedSet([Bundle(record_of_runs([SOURCE, ROUND]), made, {"gallery": [], "sample": []}, Path())]))
    assert "Written on 2026-11-28 on A &lt;64, threads: 4, device: cpu, torch 2.14;" in page
    assert "<dt>threads</dt><dd>4</dd>" in page
    assert "Written on" not in page_of([SOURCE, ROUND])[0]


def test_the_best_of_each_class_is_marked_among_adapted_runs() -> None:
    page, _ = page_of([SOURCE, ROUND, ORACLE])
    table = page[page.index("IoU, percent") : page.index("Bold: the best")].replace("+5.0", "")
    assert re.findall(r'<td class="strong"[^>]*>([^<]*)', table) == ["45.0"]


def test_times_and_sizes_by_hand() -> None:
    times = {
        "prepare@": {"seconds": 2.0, "joules": {}, "unknown": 0},
        "adapt@lse-1": {"seconds": 62.0, "joules": {"gpu": 7.2e6}, "unknown": 1},
        "dump@lse-1": {"seconds": 3.0, "joules": {"gpu": 0.0}, "unknown": 0},
    }
    bundle = Bundle(record_of_runs([SOURCE, ROUND]), made_by(**times), {"gallery": [], "sample": []}, Path())
    page = render(SeedSet([bundle]))
    parser = Cells()
    parser.feed(page)
    assert ["lse-1", "–", "3.0 s", "–", "–", "1 min 02 s", "–", "–", "1 min 05 s"] in parser.rows
    assert ["all", "", "", "", "", "", "", "", "1 min 07 s"] in parser.rows
    assert ["lse-1", "4.0 MB", "1.0 MB", "3", "6"] in parser.rows
    assert "GPUs (NVML) 2 kWh" in page
    assert "1 killed attempt(s) left no time" in page


def test_provenance_names_revision_versions_data_and_the_difference_to_the_preset() -> None:
    page, rows = page_of([SOURCE, ROUND])
    assert "0123456789ab" in page
    assert ["target", "folder", "4", "abc"] in rows
    assert ["adapt.steps", "60", "90"] in rows
    assert ["data.size", "[128, 256]"] in rows


def assert_pictures_enlarge(page: str, count: int) -> None:
    """Each figure is the target of its own picture, and closing leads back to its strip."""
    figures = re.findall(r'<figure id="([^"]+)">.*?</figure>', page, re.DOTALL)
    pictures, closes = (re.findall(rf'class="{what}" href="#([^"]+)"', page) for what in ("picture", "close"))
    assert figures == pictures and len(set(figures)) == count
    strips = re.findall(r'class="strip" id="([^"]+)"', page)
    assert closes == [figure.rpartition("-")[0] for figure in figures] and set(closes) == set(strips)


def test_pictures_are_inside_the_file_and_nothing_is_fetched(tmp_path: Path) -> None:
    picture = np.zeros((4, 8, 3), np.uint8)
    (tmp_path / "pictures").mkdir()
    files = {what: f"{what}.png" for what in ("truth", "before", "after", "change", "entropy")} | {"input": "input.jpg"}
    for name in files.values():
        (tmp_path / "pictures" / name).write_bytes((photograph if name == "input.jpg" else drawing)(picture))
    row = {"run": "lse-1", "initial": "source-only", "why": "improved", "image": "a<b", "before": 0.5, "after": 0.75}
    of_run = {"prediction": "after.png", "entropy": "entropy.png"}
    sample = {"input": "input.jpg", "label": "truth.png", "runs": {"lse-1": of_run}}
    pictures = {"gallery": [row | {"entropy": 0.3, "files": files}], "sample": [sample]}
    write_report(record_of_runs([SOURCE, ROUND]), made_by(), pictures, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    parser = Cells()
    parser.feed(page)
    assert len(parser.images) == 10
    assert all((image["src"] or "").startswith("data:image/") and image["alt"] for image in parser.images)
    assert "a&lt;b: 50.0 → 75.0 % of the pixels right" in page
    assert_pictures_enlarge(page, 6 + 2)
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import", page)
    assert json.loads((tmp_path / "results.json").read_text())["headline"] == "mIoU"
