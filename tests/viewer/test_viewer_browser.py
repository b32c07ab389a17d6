"""The page in a real Chromium: looks, keys, comparing, addresses, accessibility."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import torch

pytestmark = pytest.mark.browser

sync_api = pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Browser, Page, expect  # noqa: E402

from pipeline.cache.dump import dump  # noqa: E402
from pipeline.cache.schema import CacheSpec  # noqa: E402
from pipeline.common.files import read_json, write_json  # noqa: E402
from pipeline.viewer.class_table import LARGEST_NINES  # noqa: E402
from tests.health.records import health_record  # noqa: E402

expect.set_options(timeout=30_000)  # a busy machine is no failure
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 800, "height": 900}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(project: Path) -> Iterator[str]:
    """`roundabout inspect` as a user starts it."""
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-m", "pipeline.cli", "inspect", "--port", "0"]
    server = subprocess.Popen(
        command, cwd=project, env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    match = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
    assert match is not None
    yield match[0]
    server.terminate()
    server.wait(20)


@pytest.fixture(params=SIZES)
def page(browser: Browser, request: pytest.FixtureRequest, address: str) -> Iterator[Page]:
    """A page that notes every error of the console; closed before the server ends."""
    yield from watched(browser, SIZES[request.param])


@pytest.fixture
def large(browser: Browser, address: str) -> Iterator[Page]:
    """The same on a full-HD screen."""
    yield from watched(browser, {"width": 1920, "height": 1080})


def watched(browser: Browser, viewport: dict[str, int]) -> Iterator[Page]:
    page = browser.new_page(viewport=viewport)  # type: ignore[arg-type]
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []


def go(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}{query}")
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.wait_for_load_state("networkidle")


def pictures_are_there(page: Page, selector: str) -> int:
    """How many pictures there are, once all of them have come; fails where one does not."""
    page.wait_for_function(
        """selector => {
            const elements = [...document.querySelectorAll(selector)];
            return elements.length > 0 && elements.every((img) => img.complete && img.naturalWidth > 0);
        }""",
        arg=selector,
        timeout=60_000,
    )
    return page.locator(selector).count()


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def violations(page: Page) -> list[str]:
    answer = Axe().run(page)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in answer.response["violations"]]


def test_the_gallery_opens_and_the_keyboard_goes_through_it(page: Page, address: str) -> None:
    go(page, address)
    assert "run=" in page.url  # the last round with a cache, and the address says so
    go(page, address, "?run=lse-2")
    expect(page.locator(".tile")).to_have_count(6)
    assert pictures_are_there(page, ".tile img") == 6
    assert fits(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    first, second = (page.locator(".tile").nth(number).get_attribute("data-id") for number in (0, 1))
    page.keyboard.press("Enter")
    expect(page.locator("#image-id")).to_have_text(str(second))
    page.wait_for_load_state("networkidle")
    assert pictures_are_there(page, ".sheet img") >= 4
    assert fits(page)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#image-id")).to_have_text(str(first))
    page.keyboard.press("g")
    expect(page.locator("#tiles")).to_be_visible()
    page.go_back()
    expect(page.locator("#image-id")).to_have_text(str(first))


def test_sorting_goes_through_the_address(page: Page, address: str) -> None:
    go(page, address, "?run=intrada-1&sort=score")
    ids = page.eval_on_selector_all(".tile", "elements => elements.map((tile) => tile.dataset.id)")
    details = read_json(Path("runs/intrada-1/selection/selection.json"))
    assert ids == details["easy"] + details["hard"]
    expect(page.locator(".badge.out")).to_have_count(3)
    page.select_option("#show", "hard")
    expect(page.locator(".tile")).to_have_count(3)
    assert "show=hard" in page.url
    page.select_option("#sort", "iou")
    expect(page.locator("#gallery-words")).to_have_text("3 images", timeout=60_000)
    values = page.eval_on_selector_all(".tile .num", "elements => elements.map((one) => parseFloat(one.textContent))")
    assert values == sorted(values)


def test_filters_that_a_round_does_not_know_are_none_there(page: Page, address: str, project: Path) -> None:
    ids = [f"{number:06}" for number in range(6)]
    make_cache(project / "runs" / "other" / "cache", ids, 1, ("a", "b"))
    go(page, address, "?run=lse-1&show=not selected&sort=entropy&of=road&only=road&thumb=prediction")
    expect(page.locator("#show")).to_have_value("not selected")
    assert page.locator(".tile").count() < 6
    for name in ("intrada-1", "other"):
        page.select_option("#run", name)
        expect(page.locator(".tile")).to_have_count(6)
        expect(page.locator("#show")).to_have_value("")
    expect(page.locator("#of")).to_have_value("")
    # the tools change before the tiles: a click between would be on a tile that goes away under it
    expect(page.locator(".tile img").first).to_have_attribute("src", re.compile("run=other"))
    page.locator(".tile").first.click()
    pictures_are_there(page, ".sheet img")
    page.keyboard.press("g")
    page.select_option("#run", "lse-1")
    expect(page.locator("#show")).to_have_value("not selected")  # the address has kept it
    expect(page.locator("#of")).to_have_value("road")


def test_the_pixel_under_the_pointer_is_read_and_held(page: Page, address: str) -> None:
    image = read_json(Path("runs/lse-1/selection/selection.json"))["images"][0]
    go(page, address, f"?run=lse-1&image={image}")
    view = page.locator(".view").first
    view.hover(position={"x": 40, "y": 30})
    expect(page.locator(".verdict")).to_have_text(re.compile("^(Kept as|Dropped).*entropy / ln C is"))
    expect(page.locator(".bars .bar")).to_have_count(8)
    view.click(position={"x": 40, "y": 30})
    page.wait_for_url(re.compile(r"px=\d+,\d+"))
    before = re.search(r"px=(\d+),(\d+)", page.url)
    page.keyboard.press("Shift+ArrowRight")
    after = re.search(r"px=(\d+),(\d+)", page.url)
    assert before and after and int(after[1]) == int(before[1]) + 1
    expect(page.locator(".probe .num").first).to_have_text(f"x {after[1]}, y {after[2]}")
    expect(page.locator(".cross.held")).to_have_count(page.locator(".view").count())
    page.keyboard.press("Escape")
    assert "px=" not in page.url


def test_the_held_pixel_follows_the_round_while_a_question_is_under_way(page: Page, address: str) -> None:
    """The last question counts, and not with the rounds of the first."""
    go(page, address, "?run=lse-1&image=000001&px=20,20")
    expect(page.locator(".probe h3").first).to_contain_text("lse-1")
    page.evaluate(
        """() => {
            const ask = window.fetch;
            window.fetch = async (path) => {
                const answer = await ask(path);
                if (path.startsWith("/api/pixel")) await new Promise((done) => setTimeout(done, 1500));
                return answer;
            };
        }"""
    )
    with page.expect_request("**/api/pixel?run=lse-2*"):
        page.keyboard.press("r")
    page.keyboard.press("r")
    expect(page.locator(".probe h3").first).to_contain_text("cbst-1")
    with page.expect_request("**/api/pixel?run=intrada-1*"):
        page.keyboard.press("r")
    page.select_option("#against", "lse-1")
    expect(page.locator(".probe")).to_have_count(2)


def test_zoom_and_place_are_kept_in_step_and_shared(page: Page, address: str, browser: Browser) -> None:
    image = read_json(Path("runs/lse-1/selection/selection.json"))["images"][0]
    go(page, address, f"?run=lse-1&image={image}&layers=input,prediction~60,entropy,patches")
    for key in ("+", "+", "d", "s"):
        page.keyboard.press(key)
    transforms = set(page.eval_on_selector_all(".sheet", "elements => elements.map((one) => one.style.transform)"))
    assert len(transforms) == 1 and "scale(2.25)" in transforms.pop()
    expect(page.locator(".patch:not(.under)")).to_have_count(4 * 3)
    slider = page.get_by_label("Opacity of Patches")
    slider.fill("10")
    slider.blur()  # keys go to the page again
    opacities = page.eval_on_selector_all(
        ".sheet svg", "elements => elements.map((one) => getComputedStyle(one).opacity)"
    )
    assert opacities == ["0.1"] * 3 and "patches~10" in page.url
    page.keyboard.press("k")
    expect(page.locator(".pane")).to_have_count(1)
    assert page.eval_on_selector('.sheet img[data-layer="prediction"]', "one => one.style.opacity") == "0.6"
    shown = page.locator("#panes").inner_html()
    other = browser.new_page(viewport=page.viewport_size)
    go(other, page.url)
    assert other.locator("#panes").inner_html() == shown
    other.close()


def test_two_rounds_side_by_side_and_their_difference(page: Page, address: str) -> None:
    image = read_json(Path("runs/lse-1/selection/selection.json"))["images"][0]
    go(page, address, f"?run=lse-2&image={image}&layers=prediction,entropy&tab=pixel")
    page.keyboard.press("c")
    expect(page.locator("#against")).to_have_value("lse-1")
    expect(page.locator(".pane")).to_have_count(4)
    expect(page.locator("#summary")).to_contain_text("predictions of lse-1, with which lse-2 began")
    captions = [page.locator(".pane figcaption").nth(number) for number in (0, 1)]
    expect(captions[0]).to_contain_text("predictions of lse-1, with which lse-2 began")
    expect(captions[1]).to_contain_text("predictions of source-only, with which lse-1 began")
    page.keyboard.press("9")
    page.keyboard.press("0")
    expect(page.locator(".pane")).to_have_count(6)
    page.wait_for_load_state("networkidle")
    pictures_are_there(page, ".sheet img")
    page.locator(".view").first.hover(position={"x": 50, "y": 20})
    expect(page.locator(".probe")).to_have_count(2)
    page.keyboard.press("x")
    expect(page.locator("#run")).to_have_value("lse-1")
    page.keyboard.press("c")
    expect(page.locator("#against")).to_have_value("")


@pytest.mark.parametrize("name", ["lse-1", "cbst-1", "intrada-1", "cada-1"])
def test_every_method_has_its_classes_and_thresholds(page: Page, address: str, name: str) -> None:
    selection = read_json(Path(f"runs/{name}/selection/selection.json"))
    go(page, address, f"?run={name}&image={selection['images'][0]}&tab=classes")
    expect(page.locator(".class-row").first).to_be_visible()
    rows = page.locator(".class-row").count()
    lines = page.locator(".class-row .threshold").count()
    assert lines == (0 if name == "intrada-1" else rows)
    page.locator(".class-row button.name").first.click()
    assert "only=" in page.url
    page.keyboard.press("Escape")
    assert "only=" not in page.url
    page.keyboard.press("t")
    page.keyboard.press("t")
    expect(page.locator("#tab-image")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#panel table")).to_be_visible()
    assert fits(page)


def test_the_axis_of_confidences_has_its_labels_where_the_bars_are(page: Page, address: str) -> None:
    image = read_json(Path("runs/cbst-1/selection/selection.json"))["images"][0]
    go(page, address, f"?run=cbst-1&image={image}&tab=classes")
    expect(page.locator(".axis").first).to_contain_text("0.999")
    middles = page.locator(".axis").first.evaluate(
        """axis => [...axis.children].slice(1, -1).map((label) => {
            const whole = axis.getBoundingClientRect(), own = label.getBoundingClientRect();
            return (own.left + own.width / 2 - whole.left) / whole.width;
        })"""
    )
    assert middles == pytest.approx([nines / LARGEST_NINES for nines in (1, 2, 3, 4)], abs=0.005)
    edges = page.locator(".axis").first.evaluate(
        """axis => [axis.firstChild.getBoundingClientRect().left - axis.getBoundingClientRect().left,
                    axis.getBoundingClientRect().right - axis.lastChild.getBoundingClientRect().right]"""
    )
    assert edges == pytest.approx([0, 0], abs=1)


def test_the_help_is_a_dialog(page: Page, address: str) -> None:
    go(page, address, "?run=lse-1")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


VIEWS = {
    "gallery": "?run=lse-2",
    "gallery, compared": "?run=lse-2&vs=lse-1&thumb=change",
    "pixel": "?run=lse-2&image=000001&px=20,20",
    "stacked": "?run=lse-2&image=000001&stack=1",
    "thresholds": "?run=lse-2&image=000001&tab=classes",
    "comparison": "?run=lse-2&image=000001&vs=lse-1&tab=image&layers=input,mask,pseudo",
    "no cache": "?run=source-only",
    "evaluation, gallery": "?split=evaluation&run=lse-2&sort=change",
    "evaluation, pixel": "?split=evaluation&run=lse-2&image=val/0&px=20,20",
    "evaluation, errors of classes": "?split=evaluation&run=lse-2&image=val/0&tab=classes",
    "evaluation, comparison": "?split=evaluation&run=lse-2&vs=lse-1&image=val/0&tab=image&layers=input,errors,gain",
    "evaluation, not evaluated": "?split=evaluation&run=cbst-1",
}


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1024, 700), (390, 844)])
def test_every_view_is_for_everyone_and_fits(
    evaluated_project: Path, browser: Browser, address: str, width: int, height: int
) -> None:
    (evaluated_project / "runs" / "source-only").mkdir()
    for page in watched(browser, {"width": width, "height": height}):
        for name, query in VIEWS.items():
            go(page, address, query)
            page.wait_for_timeout(200)
            assert violations(page) == [], name
            assert fits(page), name


@pytest.fixture
def small(browser: Browser, address: str) -> Iterator[Page]:
    yield from watched(browser, {"width": 1024, "height": 700})


@pytest.mark.parametrize("query", ["?run=lse-2&image=000001", "?run=lse-2&vs=lse-1&image=000001", "?run=lse-2"])
def test_the_first_picture_begins_near_the_top_of_a_small_screen(small: Page, address: str, query: str) -> None:
    go(small, address, query)
    assert small.locator(".view:visible, .tile:visible").first.bounding_box()["y"] < 120  # type: ignore[index]


def test_pictures_have_half_of_a_phone(evaluated_project: Path, browser: Browser, address: str) -> None:
    for page in watched(browser, {"width": 390, "height": 844}):
        go(page, address, "?split=evaluation&run=lse-2&image=val/0")
        heights = page.evaluate(
            """() => {
                const end = document.querySelector("aside").getBoundingClientRect().top;
                const boxes = [...document.querySelectorAll(".view")].map((view) => view.getBoundingClientRect());
                return boxes.map(({ top, bottom }) => Math.max(0, Math.min(bottom, end) - top));
            }"""
        )
        assert sum(heights) >= 422


def test_stacked_layers_begin_so_that_the_input_is_seen(page: Page, address: str) -> None:
    go(page, address, "?run=lse-2&image=000001&stack=1&layers=input,prediction,entropy")
    opacities = page.eval_on_selector_all(".sheet img", "elements => elements.map((one) => Number(one.style.opacity))")
    assert opacities[0] == 1 and (1 - opacities[1]) * (1 - opacities[2]) == pytest.approx(0.4, abs=0.01)
    slider = page.get_by_label("Opacity of Prediction")
    slider.fill("100")
    assert "prediction~100" in page.url
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator(".pane")).to_have_count(3)


def test_the_legend_keeps_the_focus_when_data_refresh(page: Page, address: str, project: Path) -> None:
    go(page, address, "?run=lse-2&image=000001")
    page.locator("#legend button").nth(1).focus()
    name = page.evaluate("document.activeElement.textContent")
    os.utime("runs/lse-2/selection/selection.json")
    with page.expect_response("**/api/image*"):
        pass
    page.wait_for_timeout(300)
    assert page.evaluate("document.activeElement.textContent") == name


def test_the_final_network_its_confusions_and_a_list_of_ids(
    evaluated_project: Path, page: Page, address: str, tmp_path: Path
) -> None:
    go(page, address)
    expect(page.locator("#summary")).to_contain_text("predictions of lse-2")
    expect(page.locator("#tiles .tile")).to_have_count(4)
    page.locator("#tiles .tile").first.click()
    expect(page.locator(".pane")).to_have_count(4)
    page.locator("#tab-classes").click()
    page.get_by_role("button", name=re.compile("^car [0-9]")).last.click()
    expect(page.locator("#sort")).to_have_value("confusion")
    expect(page.locator("#as")).to_have_value("car")
    page.select_option("#show", "with errors")
    expect(page.locator("#tiles .tile")).to_have_count(3)
    ids = page.eval_on_selector_all("#tiles .tile", "elements => elements.map((tile) => tile.dataset.id)")
    with page.expect_download() as download:
        page.locator("#ids-export").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert text.splitlines() == ids and download.value.suggested_filename == "lse-2-evaluation-ids.txt"
    (tmp_path / "ids.txt").write_text(f"{ids[1]}\nnowhere\n\n", encoding="utf-8")
    page.locator("#ids-file").set_input_files(tmp_path / "ids.txt")
    expect(page.locator("#tiles .tile")).to_have_count(1)
    expect(page.locator("#gallery-words")).to_contain_text("list of 2 ids: 1 not among these images")
    page.locator("#ids-clear").click()
    expect(page.locator("#tiles .tile")).to_have_count(3)
    page.locator("#find").fill(ids[2][-2:])
    expect(page.locator("#tiles .tile")).to_have_count(1)
    assert "find=" in page.url


def test_what_the_other_round_did_not_select_is_marked(page: Page, address: str) -> None:
    path = Path("runs/lse-1/selection/selection.json")
    selection = read_json(path)
    left_out = selection["images"].pop()
    write_json(path, selection)
    go(page, address, "?run=lse-2&vs=lse-1")
    expect(page.get_by_text("not selected in lse-1")).to_have_count(6 - len(selection["images"]))
    go(page, address, f"?run=lse-2&vs=lse-1&image={left_out}&layers=mask,pseudo")
    expect(page.get_by_text("not selected: not trained on")).to_have_count(2)


def test_a_run_without_a_cache_says_where_its_predictions_are(page: Page, address: str, project: Path) -> None:
    (project / "runs" / "source-only").mkdir()
    go(page, address, "?run=source-only")
    expect(page.locator("#empty")).to_contain_text("source-only is an initial model")
    page.get_by_role("button", name="predictions of source-only, with which lse-1 began, on the target").click()
    expect(page.locator(".tile")).to_have_count(6)


def make_cache(folder: Path, ids: list[str], seed: int, names: tuple[str, ...], part_images: int = 2) -> None:
    logits_NChw = torch.randn((len(ids), len(names), 8, 16), generator=torch.Generator().manual_seed(seed))
    spec = CacheSpec("other", names, (64, 128), "logits", len(ids), part_images)
    dump(torch.tensor, ids, lambda positions: [logits_NChw[positions]], folder, spec, batch=8)


def test_a_large_screen_shows_more_than_one_page_of_tiles(
    without_data: None, large: Page, address: str, project: Path
) -> None:
    ids = [f"{number:06}" for number in range(150)]
    make_cache(project / "runs" / "many" / "cache", ids, 1, ("a", "b"), part_images=50)
    go(large, address, "?run=many&thumb=prediction")
    expect(large.locator(".tile")).to_have_count(120)  # as far as 800 px below the screen
    large.mouse.move(600, 600)
    large.mouse.wheel(0, 20_000)
    expect(large.locator(".tile")).to_have_count(150)


@pytest.fixture
def without_data(project: Path) -> None:
    """No images beside the caches, before the page's server looks for them."""
    shutil.rmtree(project / "data")


def test_names_and_ids_are_text(without_data: None, page: Page, address: str, project: Path) -> None:
    image = "aachen/<b>bold</b>&amp;\"'"
    names = ("<script>alert(1)</script>", "b & c")
    make_cache(project / "runs" / '<img src=x onerror="document.title=1">' / "cache", [image, "plain"], 1, names)
    go(page, address, "?run=lse-1&sort=order")
    page.select_option("#run", '<img src=x onerror="document.title=1">')
    page.wait_for_load_state("networkidle")
    expect(page.locator(".tile bdi").first).to_have_text(image)
    page.locator(".tile").first.click()
    expect(page.locator("#image-id")).to_have_text(image)
    expect(page.locator("#legend")).to_contain_text("<script>alert(1)</script>")
    assert page.title() != "1" and page.locator("img[src='x']").count() == 0


def test_a_growing_cache_fills_the_page_without_a_reload(page: Page, address: str, project: Path) -> None:
    work = project / ".roundabout" / "work" / "dump-lse-9-0123456789ab" / "cache"
    work.mkdir(parents=True)
    go(page, address, "?run=lse-9&sort=order")
    expect(page.locator("#empty")).to_contain_text("No part of the cache is finished yet")
    for part, images in (("part-00000.h5", 2), ("part-00002.h5", 4)):
        os.link(project / "runs" / "lse-1" / "cache" / part, work / part)
        expect(page.locator(".tile")).to_have_count(images, timeout=60_000)
        if images == 2:
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            second = page.evaluate("document.activeElement.dataset.id")
    expect(page.locator("#summary")).to_contain_text("4 of 6 are there")
    tiles = page.eval_on_selector_all(".tile", "elements => elements.map((tile) => tile.dataset.id)")
    assert page.evaluate("document.activeElement.dataset.id") == second  # the keyboard's position is kept
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.id") == tiles[tiles.index(second) + 1]
    (work / "part-00001.h5").write_bytes(b"half")
    expect(page.locator("#notices")).to_contain_text("part-00001.h5: cannot be read", timeout=60_000)
    expect(page.locator(".tile")).to_have_count(4)


@pytest.mark.parametrize(
    ("result", "tail"),
    [("trained", ""), ("init", "; its result is its init's network (guard)")],
    ids=["trained", "init"],
)
def test_the_verdict_on_a_round_is_shown_as_text_under_the_head(
    large: Page, address: str, project: Path, result: Literal["trained", "init"], tail: str
) -> None:
    write_json(project / "runs" / "lse-2" / "health.json", health_record("fails", "<sky> is lost", result).as_json())
    go(large, address, "?run=lse-2")
    expect(large.locator("#health")).to_have_text(f"Verdict without labels on lse-2: fails – <sky> is lost{tail}")
    assert fits(large) and violations(large) == []
    go(large, address, "?run=lse-1")
    expect(large.locator("#health")).to_be_hidden()
