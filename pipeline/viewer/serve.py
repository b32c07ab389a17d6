"""The web server of the page, on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

import uvicorn

from pipeline.common.errors import ReadableError
from pipeline.viewer.app import create_app
from pipeline.viewer.inspector import GalleryQuery, Inspector

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections from now on; port 0 takes a free one.

    Raises:
        ReadableError: if the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)  # a browser that opens the printed address at once waits, and is not refused
    except OSError as error:
        bound.close()
        raise ReadableError(
            f"{host}:{port} cannot be used ({error.strerror}); say --port 0 for any free port"
        ) from None
    return bound


def serve(
    inspector: Inspector, bound: socket.socket, host: str, allowed: Sequence[str] = (), root_path: str = ""
) -> None:
    """Serve the page until interrupted; ``allowed`` are hosts that requests may name beside this machine's own."""
    hosts = ["127.0.0.1", "localhost", "[::1]", *allowed] if host in _LOOPBACK else ["*"]
    threading.Thread(target=_warm_up, args=(inspector,), name="warm up", daemon=True).start()
    config = uvicorn.Config(create_app(inspector, hosts, root_path), log_level="warning", access_log=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])


def _warm_up(inspector: Inspector) -> None:
    """Read what a bare address shows, and load the compiled loops, before the first request needs them."""
    with suppress(ReadableError, OSError):
        start = inspector.workspace()["start"]
        if start is None:
            return
        inspector.gallery(GalleryQuery(**start))
        run = inspector.run(start["run"])
        if run.has_images:
            run.probabilities(run.image_ids[0], 0, 0)
            run.maps(run.image_ids[0])


def address(bound: socket.socket, host: str) -> str:
    """Return the page's address."""
    return f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/"
