"""The types of the page's JavaScript name what the server sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.common.files import write_json
from tests.health.records import health_record

STATIC = Path(__file__).resolve().parents[2] / "pipeline" / "viewer" / "static"
TYPES = (STATIC.parent / "types.d.ts").read_text(encoding="utf-8")


def fields(interface: str) -> tuple[set[str], set[str]]:
    """The names that an interface demands, and those that may be absent; inherited ones included."""
    match = re.search(rf"^interface {interface}(?: extends (?:Omit<)?(\w+).*?)? {{\n(.*?)^}}", TYPES, re.M | re.S)
    assert match is not None, f"types.d.ts has no interface {interface}"
    parent = fields(match[1]) if match[1] else (set(), set())
    names = re.findall(r"^  (\w+)(\??):", match[2], re.M)
    return (
        parent[0] | {name for name, optional in names if not optional},
        parent[1] | {name for name, optional in names if optional},
    )


def check(interface: str, *values: dict[str, Any]) -> None:
    required, optional = fields(interface)
    assert values, f"the server sent no {interface}"
    for value in values:
        assert required <= set(value) <= required | optional, interface


@pytest.mark.parametrize("run", ["lse-1", "lse-2", "cbst-1", "intrada-1", "cada-1"])
def test_the_types_have_the_names_that_the_server_sends(client: TestClient, run: str) -> None:
    def get(path: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = client.get(f"/api/{path}", params={"run": run, **parameters}).json()
        return answer

    gallery = get("gallery")
    check("Gallery", gallery)
    check("GalleryImage", *gallery["images"])
    image = gallery["images"][0]["id"]
    details, pixel, table = get("image", image=image), get("pixel", image=image, x=3, y=2), get("classes")
    check("ImageDetails", details)
    check("ImageClass", *details["classes"])
    check("Pixel", pixel)
    check("Reason", pixel["reason"])
    check("ClassTable", table)
    check("ClassRow", *table["classes"])
    if run == "intrada-1":
        check("ScoreHistogram", table["scores"])
    if details["patches"]:
        check("Box", *details["patches"])


def test_the_types_have_the_names_of_the_workspace(client: TestClient, project: Path) -> None:
    (project / "runs" / "nothing-yet").mkdir()
    write_json(project / "runs" / "lse-1" / "health.json", health_record("holds", "shares agree").as_json())
    workspace = client.get("/api/workspace").json()
    check("Workspace", workspace)
    check("Order", *workspace["orders"].values())
    check("ShownRun", *(run for run in workspace["runs"] if run["has_images"]))
    check("RunWithoutImages", *(run for run in workspace["runs"] if not run["has_images"]))
    check("Health", *(run["health"] for run in workspace["runs"] if run["health"]))
    check("ClassColour", *workspace["runs"][0]["classes"])


def test_the_types_have_the_names_of_the_evaluation_split(evaluated: TestClient) -> None:
    asked = {"run": "lse-2", "split": "evaluation"}
    workspace = evaluated.get("/api/workspace", params=asked).json()
    check("Workspace", workspace)
    check("Order", *workspace["orders"].values())
    check("ShownRun", *(run for run in workspace["runs"] if run["has_images"]))
    check("RunWithoutImages", *(run for run in workspace["runs"] if not run["has_images"]))
    images = evaluated.get("/api/gallery", params=asked).json()["images"]
    check("GalleryImage", *images)
    one = {**asked, "image": images[0]["id"], "x": 3, "y": 2}
    details = evaluated.get("/api/image", params=one).json()
    check("ImageDetails", details)
    check("ImageClass", *details["classes"])
    check("Pixel", evaluated.get("/api/pixel", params=one).json())
    table = evaluated.get("/api/classes", params=asked).json()
    check("ErrorTable", table)
    check("ClassErrors", *table["classes"])
    check("Confusion", *(other for row in table["classes"] for other in row["taken_for"]))


def test_every_element_that_the_page_looks_up_is_in_its_html() -> None:
    ids = set(re.findall(r'id="([\w-]+)"', (STATIC / "index.html").read_text(encoding="utf-8")))
    code = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    looked_up = set(re.findall(r'byId\("([\w-]+)"\)', code))
    assert len(looked_up) > 20
    assert looked_up | fields("PageElements")[0] <= ids
