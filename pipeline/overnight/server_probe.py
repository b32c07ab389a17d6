"""Whether the Prefect server that a variable or a profile names answers: known in seconds, Prefect not imported."""

from __future__ import annotations

import ipaddress
import os
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.common.errors import ReadableError

SECONDS = 5
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NamedServer(NamedTuple):
    """A server's address, and what names it."""

    url: str
    named_by: str


def keep_loopback_off_proxies() -> None:
    """Let no program of ours reach this machine's own servers through ``http_proxy``, which knows nothing of them."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host.strip()]
        if "*" not in hosts:
            os.environ[name] = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])


def named_server() -> NamedServer | None:
    """Return the server that PREFECT_API_URL or the active profile names; None if a night starts its own."""
    url = os.environ.get("PREFECT_API_URL")
    if url is not None:
        return NamedServer(url, "PREFECT_API_URL") if url else None
    home = Path(os.environ.get("PREFECT_HOME") or Path(os.environ.get("HOME") or "/") / ".prefect").expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return None
    name = os.environ.get("PREFECT_PROFILE") or profiles.get("active", "")
    url = profiles.get("profiles", {}).get(name, {}).get("PREFECT_API_URL")
    return NamedServer(str(url), f"the profile {name!r} of {path}") if url else None


def server_problem(server: NamedServer) -> str | None:
    """Return why a server cannot be used, and what to do; None if it answers, whatever it answers."""
    handlers = [urllib.request.ProxyHandler({})] if _is_here(server.url) else []
    try:
        request = urllib.request.Request(f"{server.url.rstrip('/')}/health")
        urllib.request.build_opener(*handlers).open(request, timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return None  # it answers
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return (
            f"the Prefect server {server.url}, which {server.named_by} names, does not answer ({reason}); start it "
            f"(`prefect server start`), or let the night start its own: {_undo(server)}"
        )
    return None


def require_server() -> None:
    """Refuse to begin a night whose Prefect server is not there.

    Raises:
        ReadableError: a server is named and does not answer.
    """
    server = named_server()
    problem = None if server is None else server_problem(server)
    if problem is not None:
        raise ReadableError(problem)


def _undo(server: NamedServer) -> str:
    return (
        "`unset PREFECT_API_URL`" if server.named_by == "PREFECT_API_URL" else "`prefect config unset PREFECT_API_URL`"
    )


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
