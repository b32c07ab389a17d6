"""What Prefect's UI is given."""

import base64

from PIL import Image

from pipeline.evaluation.results import Result
from pipeline.overnight.artifacts import artifact_key, curves_markdown, picture_markdown


def result(name, value, kind="lse"):
    return Result(name, kind, {"mIoU": value}, {}, {"coverage": 0.25, "precision": None, "images": 3}, {})


def test_keys_are_what_prefect_allows():
    assert artifact_key("LSE_1.b", 3) == "lse-1-b-3"


def test_curves_are_a_picture_with_numbers(tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "source.tsv").write_text("step\tsource\n10\t2.0\n20\t1.0\n", encoding="utf-8")
    (tmp_path / "micro_batches.tsv").write_text("step\tpieces\n10\t1\n20\t4\n", encoding="utf-8")
    text = curves_markdown("lse-1", 2, tmp_path, [result("lse-1", 0.5)])
    assert "## lse-1, seed 2" in text
    assert "| mIoU | 50.0 |" in text
    assert "| pseudo-labels: coverage | 25.0 |" in text
    assert "in 4 micro-batches" in text
    svg = base64.b64decode(text.split("base64,")[1].rstrip(")")).decode()
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "polyline" in svg
    assert "lse-1" in curves_markdown("lse-1", 1, tmp_path / "none", [])


def test_pictures_are_no_wider_than_the_database_likes(tmp_path):
    text = picture_markdown(Image.new("RGB", (4000, 40)), "all runs")
    assert text.startswith("![all runs](data:image/png;base64,")
    (tmp_path / "p.png").write_bytes(base64.b64decode(text.split("base64,")[1].rstrip(")")))
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == (1600, 16)
