"""Manifests: rows by position, ids by binary search, files that are no manifest."""

import pickle

import pytest

from pipeline.datasets.manifest import Manifest, Row, line_of
from pipeline.datasets.problems import DataError


def row(identity: str, **other) -> Row:
    values = {"image": f"images/{identity}.png", "label": None, "label_hash": None, "label_bytes": None}
    return Row(
        **({"id": identity, "image_hash": "00" * 16, "image_bytes": 5, "height": 2, "width": 3} | values | other)
    )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "target.jsonl"
    path.write_text("".join(line_of(row(f"{number:03}")) for number in range(0, 200, 2)))
    return path


def test_rows_by_position(path):
    manifest = Manifest(path)
    assert len(manifest) == 100
    assert manifest[0] == row("000")
    assert manifest[-1] == manifest[99] == row("198")
    assert [found.id for found in manifest] == list(manifest.ids())
    for outside in (100, -101):
        with pytest.raises(IndexError, match="of 100"):
            manifest[outside]


def test_every_id_is_found_and_others_are_not(path):
    manifest = Manifest(path)
    assert [manifest.index_of(identity) for identity in manifest.ids()] == list(range(100))
    for absent in ("", "001", "199"):
        with pytest.raises(DataError, match=f"has no image '{absent}'; the nearest id is"):
            manifest.index_of(absent)


def test_unusual_names_survive(tmp_path):
    path = tmp_path / "m.jsonl"
    rows = [row('a"\n b'), row("straße/日"), row("\udcff")]  # the last: a file name that is no UTF-8
    path.write_text("".join(line_of(item) for item in rows))
    assert list(Manifest(path)) == rows


def test_lines_across_chunks(path, monkeypatch):
    monkeypatch.setattr("pipeline.datasets.manifest._CHUNK", 37)
    assert [found.id for found in Manifest(path)] == [f"{number:03}" for number in range(0, 200, 2)]


def test_pickle_carries_the_path_only(path):
    carried = pickle.dumps(Manifest(path))
    assert len(carried) < 500
    assert pickle.loads(carried)[7] == row("014")


def test_absent_empty_and_broken_files_say_what_to_run(tmp_path, path):
    with pytest.raises(DataError, match=r"no such manifest; run `dvc repro prepare`"):
        Manifest(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="is empty; run `dvc repro -f prepare`"):
        Manifest(tmp_path / "empty.jsonl")
    (tmp_path / "cut.jsonl").write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="last line breaks off; run `dvc repro -f prepare`"):
        Manifest(tmp_path / "cut.jsonl")
    (tmp_path / "other.jsonl").write_text('{"id": "a"}\nnot json\n')
    for position in (0, 1):
        with pytest.raises(DataError, match=f"line {position + 1}: is not a row of a manifest"):
            Manifest(tmp_path / "other.jsonl")[position]
