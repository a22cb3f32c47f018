"""The verbs that exchange files with other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from cdul_edge.front.asking import ask
from cdul_edge.launcher import refuse_later_copies

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cdul_edge.converting.request import ConvertRequest, ConvertResult
    from cdul_edge.front.keywords import ConvertKeywords
    from cdul_edge_runtime.host.console import Console


@overload
def convert(request: ConvertRequest, /, *, console: Console | None = None) -> ConvertResult: ...
@overload
def convert(
    *, console: Console | None = None, **keywords: Unpack[ConvertKeywords]
) -> ConvertResult: ...
def convert(
    request: ConvertRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> ConvertResult:
    """Write labels and scores for another tool, or read what people did there.

    Args:
        request: a `cdul_edge.converting.request.ConvertRequest`.
        console: where to say what a form cannot hold; without one, warnings are issued.
        **keywords: the fields of a `ConvertRequest`, in place of `request`.

    Raises:
        CdulEdgeError: input that is damaged or of another form, or what the form cannot hold.
    """
    refuse_later_copies("convert")
    from cdul_edge.converting import convert as converting
    from cdul_edge.converting.request import ConvertRequest

    return converting.convert(ask(ConvertRequest, request, keywords), console)
