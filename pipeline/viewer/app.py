"""The page and its JSON and pictures over HTTP: GET only, nothing is ever written."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.common.errors import ReadableError
from pipeline.viewer.inspector import GalleryQuery, Inspector
from pipeline.viewer.layers import Layer, layer

STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOREVER = "private, max-age=86400, immutable"
"""For pictures: their address changes with what they show."""
_THUMBNAIL = 320
_SPARSE = ("mask", "pseudo", "change", "errors", "gain")
"""Layers whose thumbnails lie over the input."""

Image = Annotated[str, Query(description="an image's id")]
Against = Annotated[str | None, Query(description="the run that is compared with; default: the one before")]
Split = Annotated[str, Query(description="target (caches) or evaluation (predictions.h5)")]
Only = Annotated[str | None, Query(description="show this class alone")]


def create_app(inspector: Inspector, hosts: list[str], root_path: str = "") -> FastAPI:
    """Return the page over an inspector; it refuses requests that name another host, so no foreign page reaches it.

    ``root_path`` is the prefix of a proxy that passes it on (``/user/me/proxy/8600``); one that takes it off needs
    none.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        inspector.close()

    app = FastAPI(title="roundabout inspect", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(_KnownHosts, hosts=hosts)
    app.add_middleware(_WithoutPrefix, prefix=root_path.rstrip("/"))
    app.middleware("http")(_with_policy)
    app.exception_handler(ReadableError)(_error_response)
    _add_json(app, inspector)
    _add_pictures(app, inspector)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    return app


class _KnownHosts:
    """Refuses requests that name another host or come from its pages, and says which option lets a host in."""

    def __init__(self, app: ASGIApp, hosts: list[str]) -> None:
        self._app, self._hosts = app, [host.lower() for host in hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        name, origin = _host_in(headers.get("host", "")), headers.get("origin")
        if origin is not None and _host_in(origin) not in (name, *self._hosts):
            answer = PlainTextResponse(f"This page does not answer to pages of {origin!r}\n", status_code=403)
            await answer(scope, receive, send)
            return
        if "*" in self._hosts or name in self._hosts:
            await self._app(scope, receive, send)
            return
        advice = f"start `roundabout inspect --allow-host {name or 'NAME'}`"
        answer = PlainTextResponse(f"This page does not answer to the host {name!r}: {advice}\n", status_code=400)
        await answer(scope, receive, send)


def _host_in(address: str) -> str:
    """Return the host of ``https://host:port`` or ``host:port``."""
    return re.sub(r":\d*$", "", address.rpartition("://")[2]).lower()


class _WithoutPrefix:
    """Takes a proxy's prefix off the path of a request, where the proxy has left it on."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if self._prefix and path.startswith(f"{self._prefix}/"):
            scope = {**scope, "path": path.removeprefix(self._prefix)}
        await self._app(scope, receive, send)


async def _with_policy(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call(request)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


async def _error_response(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=404)


def _add_json(app: FastAPI, inspector: Inspector) -> None:
    @app.get("/api/workspace")
    def workspace(split: Split = "target") -> dict[str, Any]:
        return inspector.workspace(split)

    @app.get("/api/gallery")
    def gallery(
        run: str,
        split: Split = "target",
        sort: str = "",
        of: str | None = None,
        taken_for: str | None = None,
        reverse: bool = False,
        show: str = "",
        against: Against = None,
    ) -> dict[str, Any]:
        return inspector.gallery(GalleryQuery(run, split, sort, of, taken_for, reverse, show, against))

    @app.get("/api/classes")
    def classes(run: str, split: Split = "target", against: Against = None) -> dict[str, Any]:
        return inspector.classes(run, split, against)

    @app.get("/api/image")
    def image(run: str, image: Image, split: Split = "target") -> dict[str, Any]:
        return inspector.image(run, image, split)

    @app.get("/api/pixel")
    def pixel(run: str, image: Image, x: int, y: int, split: Split = "target") -> dict[str, Any]:
        return inspector.pixel(run, image, x, y, split)


def _add_pictures(app: FastAPI, inspector: Inspector) -> None:
    @app.get("/picture/{name}")
    def picture(
        name: str, run: str, image: Image, split: Split = "target", against: Against = None, only: Only = None
    ) -> Response:
        return _encoded(layer(name, inspector.layer_request(run, image, against, only, split)))

    @app.get("/thumbnail/{name}")
    def thumbnail(name: str, run: str, image: Image, split: Split = "target", against: Against = None) -> Response:
        request = inspector.layer_request(run, image, against, None, split)
        if name in _SPARSE and split not in inspector.inputs.problems:
            below = layer("input", request).values
            return _encoded(Layer(layer(name, request).over(below)), _THUMBNAIL)
        return _encoded(layer(name, request), _THUMBNAIL)

    @app.get("/picture/{name}/{rest:path}")
    def no_path(name: str, rest: str) -> None:
        raise HTTPException(404, "pictures have no folders")


def _encoded(layer: Layer, width: int | None = None) -> Response:
    """Return indexed colours as PNG and photographs as JPEG, at most ``width`` wide."""
    return _jpeg(layer, width) if layer.colours is None else _png(layer, width)


def _png(layer: Layer, width: int | None) -> Response:
    picture = layer.image()
    if width is not None and picture.width > width:
        picture = picture.resize((width, max(1, round(picture.height * width / picture.width))))  # nearest: indices
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1, **({"transparency": layer.opacity} if layer.opacity else {}))
    return Response(data.getvalue(), media_type="image/png", headers={"Cache-Control": _FOREVER})


def _jpeg(layer: Layer, width: int | None) -> Response:
    picture = layer.image()
    if width is not None and picture.width > width:
        picture.thumbnail((width, width), reducing_gap=2.0)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=92 if width is None else 82, subsampling=0)
    return Response(data.getvalue(), media_type="image/jpeg", headers={"Cache-Control": _FOREVER})
