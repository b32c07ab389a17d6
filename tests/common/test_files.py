"""Files are whole or absent."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from pipeline.common.files import file_hash, fingerprint, read_json, whole_file, write_json, write_text


def test_a_file_takes_its_name_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # or the rename would cross file systems
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_exception_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="power cut"), whole_file(path) as temporary:
        temporary.write_text("hal")
        raise RuntimeError("power cut")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_wrote_nothing_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_equal_results_are_equal_bytes_and_umlauts_stay_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Zürich", "values": [1, 0.5, None]})
    write_json(tmp_path / "b.json", {"name": "Zürich", "values": [1, 0.5, None]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert "Zürich" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"name": "Zürich", "values": [1, 0.5, None]}


def test_nan_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"mIoU": 0.5})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"mIoU": math.nan})
    assert read_json(path) == {"mIoU": 0.5}


def test_text_replaces_a_read_only_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    path.chmod(0o444)
    write_text(path, "two")
    assert path.read_text() == "two"


def test_a_file_hash_is_blake2b_of_the_whole_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert file_hash(tmp_path / "a") == hashlib.blake2b(content, digest_size=16).hexdigest()
    (tmp_path / "b").write_bytes(content[:-1] + b"x")
    assert file_hash(tmp_path / "b") != file_hash(tmp_path / "a")


def test_a_fingerprint_depends_on_names_and_values_but_not_on_their_order() -> None:
    known = fingerprint(model="a", size=(1, 2))
    assert fingerprint(size=[1, 2], model="a") == known
    assert fingerprint(model="a", size=(2, 1)) != known
    assert fingerprint(model="b", size=(1, 2)) != known
    assert fingerprint(mode="a", size=(1, 2)) != known
    assert fingerprint(model=1) != fingerprint(model="1")
