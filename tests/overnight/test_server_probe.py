"""A Prefect server that is named and not there is known in seconds; loopback never goes through a proxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.common.errors import ReadableError
from pipeline.overnight.server_probe import (
    NamedServer,
    keep_loopback_off_proxies,
    named_server,
    require_server,
    server_problem,
)


@pytest.fixture(autouse=True)
def no_prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_without_a_name_a_night_starts_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_server() is None
    monkeypatch.setenv("PREFECT_API_URL", "")
    assert named_server() is None
    require_server()


def test_a_dead_server_of_the_variable(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{closed_port}/api")
    with pytest.raises(
        ReadableError, match=rf":{closed_port}/api, which PREFECT_API_URL names, does not answer .*refused"
    ):
        require_server()
    with pytest.raises(ReadableError, match=r"prefect server start.*`unset PREFECT_API_URL`"):
        require_server()


def test_a_dead_server_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}/api"
    text = f'active = "lab"\n[profiles.lab]\nPREFECT_API_URL = "{url}"\n[profiles.own]\n'
    (tmp_path / "profiles.toml").write_text(text)
    with pytest.raises(ReadableError, match=r"the profile 'lab' of .*profiles\.toml names, .*prefect config unset"):
        require_server()
    monkeypatch.setenv("PREFECT_PROFILE", "own")
    assert named_server() is None
    (tmp_path / "profiles.toml").write_text("no toml [")
    assert named_server() is None


def test_an_address_that_is_none() -> None:
    assert "does not answer" in (server_problem(NamedServer("nonsense", "PREFECT_API_URL")) or "")


def test_a_server_that_answers_whatever_the_proxy(
    server: str, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    assert server_problem(NamedServer(f"{server}/api", "PREFECT_API_URL")) is None
    assert server_problem(NamedServer(f"{server}/elsewhere", "PREFECT_API_URL")) is None  # 404 is an answer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "127.0.0.1,localhost,::1"),
        ("intranet,localhost", "intranet,localhost,127.0.0.1,::1"),
        ("*", "*"),
    ],
)
def test_loopback_is_kept_off_proxies(monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> None:
    import os

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, before)
    keep_loopback_off_proxies()
    keep_loopback_off_proxies()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == (after, after)
