"""``roundabout select``: a method's selection on any cache, outside of the pipeline."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from pipeline.commands.choices import choices
from pipeline.commands.console import console, readable
from pipeline.commands.overwriting import Force, keep_what_is_there
from pipeline.commands.run_files import Cache
from pipeline.common.errors import ReadableError, counted
from pipeline.methods.method import Method, Option
from pipeline.methods.registry import METHODS
from pipeline.methods.selection_file import Compat


@readable
def select(**given: Any) -> None:
    """Select images, thresholds and pseudo-labels from a cache: selection.json and labels.h5."""
    from pipeline.cache.reader import CacheReader
    from pipeline.methods.pseudo_labels import write_labels
    from pipeline.methods.selection_file import write_selection

    method, out = METHODS[str(given["method"])], given["out"]
    _check_portion(method, given["portion"])
    _check_options(method, given)
    if out.exists() and not out.is_dir():
        raise ReadableError(f"--out: {out} is a file; name a folder")
    keep_what_is_there([out / "selection.json", out / "labels.h5"], given["force"])
    if next(out.glob("part-*.h5"), None) is not None:
        raise ReadableError(f"--out: {out} is a cache; name another folder")
    reader = CacheReader(given["cache"])
    for option in _given(method, given):
        problem = option.problem(reader.spec.class_names)
        if problem is not None:
            raise typer.BadParameter(problem, param_hint=option.flag)
    section, entry = method.from_options(_options_of(method, given))
    selection, details = method.select(reader, section, entry, given["prior"] or Path())
    write_labels(reader, selection, out / "labels.h5")
    write_selection(out / "selection.json", selection, details)
    console.print(f"{out}: {counted(len(selection.images), 'image')} selected, selection.json and labels.h5")


def _options_of(method: Method[Any, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return what ``from_options`` takes, with plain strings for choices."""
    names = ["compat", "portion", *(option.name for option in method.options)]
    return {name: str(given[name]) if isinstance(given[name], str) else given[name] for name in names}


def _given(method: Method[Any, Any], given: dict[str, Any]) -> list[Option]:
    """Return the method's options that do not have their defaults."""
    return [option for option in method.options if given[option.name] != option.default]


def _check_options(method: Method[Any, Any], given: dict[str, Any]) -> None:
    """Refuse what the method would pass over: its result would look as if it had been asked for."""
    for other in METHODS.values():
        for option in _given(other, given):
            value = given[option.name]
            if isinstance(value, float) and not math.isfinite(value):
                raise typer.BadParameter(f"is {value}; a number is needed", param_hint=option.flag)
            if other is not method:
                raise typer.BadParameter(f"is {other.name}'s; {method.name} has none", param_hint=option.flag)
    if given["compat"] not in method.compats:
        raise typer.BadParameter(
            f"{method.name} has no released code; there is {' and '.join(method.compats)} only", param_hint="--compat"
        )


def _check_portion(method: Method[Any, Any], portion: float | None) -> None:
    if method.share is None:
        if portion is not None:
            flags = " or ".join(option.flag for option in method.options)
            raise typer.BadParameter(f"{method.name} has no portion; say {flags}", param_hint="--portion")
        return
    if portion is None:
        raise typer.BadParameter(f"{method.name} needs it", param_hint="--portion")
    if not 0 <= portion <= 1 or (portion == 0 and not method.share.may_be_zero):
        raise typer.BadParameter(f"is {portion}; above 0 and up to 1 is needed", param_hint="--portion")


# ------------------------------------------------------------------- the signature that typer reads, from the records


def _portion_help() -> str:
    shares = [f"{method.share.of} ({method.name})" for method in METHODS.values() if method.share is not None]
    return f"share of the {', '.join(shares[:-1])} or {shares[-1]}, 0 to 1"


def _parameters() -> list[tuple[str, Any, Any]]:
    """Return the options by name with their annotation and default; those of the methods after those of all."""
    method = choices("MethodName", METHODS)
    compat = choices("CompatName", get_args(Compat))
    required = inspect.Parameter.empty
    return [
        ("cache", Cache, required),
        ("method", Annotated[method, typer.Option(help="which method selects")], required),
        ("out", Annotated[Path, typer.Option(help="folder for selection.json and labels.h5")], required),
        ("portion", Annotated[float | None, typer.Option(help=_portion_help())], None),
        ("compat", Annotated[compat, typer.Option(help="follow the paper or the released code")], compat("paper")),
        *(_of_option(name, option) for name, owner in METHODS.items() for option in owner.options),
        ("force", Force, False),
    ]


def _of_option(method: str, option: Option) -> tuple[str, Any, Any]:
    kind, default = option.type, option.default
    if get_origin(kind) is Literal:
        kind = choices(option.name, get_args(kind))
        default = kind(default)
    return option.name, Annotated[kind, typer.Option(help=f"{method}: {option.help}")], default


def _give_signature(command: Callable[..., None]) -> None:
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(name, keyword, default=default, annotation=annotation)
        for name, annotation, default in _parameters()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]


_give_signature(select)
