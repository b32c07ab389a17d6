"""Errors of the system in one sentence, wherever they come from."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.commands.console import readable
from pipeline.common.files import file_hash, whole_file, write_bytes
from pipeline.common.system_errors import ADVICE, explained
from pipeline.common.user import has_name, require_name
from pipeline.common.work import held, working_folder
from stages.run import print_errors

WORDS = {
    errno.ENOSPC: "disk is full",
    errno.EDQUOT: "quota",
    errno.EFBIG: "ulimit -f",
    errno.EROFS: "read-only",
    errno.EACCES: "permission",
    errno.EPERM: "permit",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "too many files",
    errno.ESTALE: "mount it again",
    errno.ENAMETOOLONG: "shorten",
    errno.EIO: "dmesg",
    errno.ENOSYS: "no locks",
    errno.ENOLCK: "no locks",
    errno.EOPNOTSUPP: "no locks",
}


def test_every_number_has_a_sentence() -> None:
    assert set(WORDS) == set(ADVICE)


def test_what_the_stage_before_should_have_written_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a checkout has the file after the demo
    with pytest.raises(SystemExit):
        print_errors(lambda: file_hash(Path("runs/source-only/model.pt")))
    assert capsys.readouterr().err == (
        "error: runs/source-only/model.pt: is missing: the stage before has not run; run `dvc repro`\n"
    )
    assert explained(FileNotFoundError(errno.ENOENT, "no such file", "other/model.pt")) is None


@pytest.mark.parametrize("number", WORDS)
def test_stages_print_path_and_advice(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise OSError(number, os.strerror(number), "runs/lse-1/model.pt")

    with pytest.raises(SystemExit, match="1"):
        print_errors(work)
    printed = capsys.readouterr().err
    assert printed.startswith("error: runs/lse-1/model.pt: ")
    assert WORDS[number] in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("number", WORDS)
def test_commands_print_path_and_advice(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    @readable
    def command() -> None:
        raise OSError(number, os.strerror(number), "report/index.html")

    with pytest.raises(typer.Exit):
        command()
    printed = capsys.readouterr().err
    assert printed.startswith("report/index.html: ")
    assert WORDS[number] in printed


@pytest.mark.parametrize(
    ("error", "path"),
    [
        (
            OSError(
                "Can't write data (file write failed: time = Sat, filename = 'runs/a/cache/0.h5', file descriptor = 5, "
                "errno = 28, error message = 'No space left on device')"
            ),
            "runs/a/cache/0.h5",
        ),
        (OSError("[Errno 28] Unable to synchronously create file (unable to open file: name = 'a.h5')"), "a.h5"),
        (RuntimeError("basic_filebuf error: errno = 28, name = 'm.pt'"), "m.pt"),
    ],
)
def test_numbers_in_texts_count(error: Exception, path: str) -> None:
    message = explained(error)
    assert message is not None
    assert message.startswith(f"{path}: the disk is full")


def test_torch_s_writer_has_no_number() -> None:
    message = explained(RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"))
    assert message is not None
    assert message.startswith(f"{Path.cwd()}: a checkpoint could not be written: the disk is full")


def test_the_cause_counts_before_what_it_has_caused() -> None:
    try:
        try:
            raise OSError(errno.EDQUOT, "", "a.pt")
        except OSError:
            raise RuntimeError("unexpected pos 1 vs 0")  # noqa: B904 - as a writer's clean-up does
    except RuntimeError as error:
        message = explained(error)
    assert message is not None
    assert message.startswith("a.pt: your quota")


@pytest.mark.parametrize(
    "error", [ValueError("errno = 28"), OSError("something"), KeyError(28), FileExistsError(17, "")]
)
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    assert explained(error) is None

    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        print_errors(work)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_by_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def without(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fcntl, "flock", without)
    with pytest.raises(OSError) as caught, held(tmp_path / "night.lock", "night"):
        pass
    assert (explained(caught.value) or "").startswith(f"{tmp_path / 'night.lock'}: this file system has no locks")
    with pytest.raises(OSError) as caught, working_folder("dump", x=1):
        pass
    assert "no locks" in (explained(caught.value) or "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a").write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        write_bytes(tmp_path / "a", b"after")
    with pytest.raises(OSError), whole_file(tmp_path / "a") as temporary:
        temporary.write_text("after")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that the values of before come back
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert not has_name()
    require_name()
    assert os.environ["USER"] == f"uid-{os.getuid()}"
    assert has_name()


def test_a_full_disk_names_the_file_that_was_written(tmp_path: Path) -> None:
    for write in (_in_a_block, _at_once):
        with pytest.raises(OSError) as caught:
            write(tmp_path / "out.bin")
        assert (explained(caught.value) or "").startswith(f"{tmp_path / 'out.bin'}: the disk is full; ")


def _in_a_block(path: Path) -> None:
    with whole_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")


def _at_once(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", _full)
        write_bytes(path, b"x")


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_numpy_hides_that_the_disk_is_full() -> None:
    assert "the disk is full" in (explained(OSError("155648 requested and 3040 written")) or "")
