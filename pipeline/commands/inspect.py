"""``roundabout inspect``: a page to look at caches, selections, patches and evaluations."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.commands.run_files import run_name


@readable
def inspect(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="runs to show; default: all")] = None,
    host: Annotated[str, typer.Option(help="address to listen on; the default is this machine alone")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port")] = 8600,
    root_path: Annotated[
        str, typer.Option(help="prefix of a proxy that passes it on: /user/me/proxy/8600 (JupyterHub, Open OnDemand)")
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="a name under which a proxy or tunnel asks for the page; repeat for several"),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="open the page in the browser")] = False,
) -> None:
    """Serve a page to look at caches, selections and evaluations; it only reads, also while a dump is being written."""
    from pipeline.viewer.inspector import Inspector
    from pipeline.viewer.serve import address, listening_socket, serve

    inspector = Inspector([run_name(run) for run in runs or []])
    bound = listening_socket(host, port)
    inspector.refresh()
    url = address(bound, host)
    if not any(run["splits"] for run in inspector.workspace()["runs"]):
        console.print("No run has a cache or an evaluation yet: the page fills up when `dvc repro` writes one.")
    console.print(f"inspect: {url}  (Ctrl+C ends it)", soft_wrap=True, highlight=False)
    if browser:
        webbrowser.open(url)
    serve(inspector, bound, host, allow_host or [], root_path)
