"""The selection that a round of params.yaml asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cache.reader import CacheReader
from pipeline.methods.registry import method_named
from pipeline.methods.selection_file import Details, Selection

if TYPE_CHECKING:
    from pipeline.params import Params, Round


def select_for_round(params: Params, entry: Round, cache: Path, prior: Path) -> tuple[Selection, Details]:
    """Run the round's method on its cache; ``prior`` is the source's spatial prior, for a round that uses it.

    How the round trains is hidden from the method, so that a change of it selects the same bytes.
    """
    method = method_named(entry.method)
    return method.select(CacheReader(cache), params.section_of(entry), entry.model_copy(update={"adapt": {}}), prior)
