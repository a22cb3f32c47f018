"""The verbs that send bundles to the Hub and fetch them."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from cdul_edge.front.asking import ask
from cdul_edge.launcher import refuse_later_copies
from cdul_edge_runtime.errors import extra_imports

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cdul_edge.front.keywords import PullKeywords, PushKeywords
    from cdul_edge.hub.request import PullRequest, PullResult, PushRequest, PushResult
    from cdul_edge_runtime.host.console import Console


@overload
def push(request: PushRequest, /, *, console: Console | None = None) -> PushResult: ...
@overload
def push(*, console: Console | None = None, **keywords: Unpack[PushKeywords]) -> PushResult: ...
def push(
    request: PushRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> PushResult:
    """Push a bundle to the Hugging Face Hub, with a model card made from its manifest.

    Args:
        request: a `cdul_edge.hub.request.PushRequest`.
        console: where lines and warnings go; without one, warnings are issued.
        **keywords: the fields of a `PushRequest`, in place of `request`.

    Raises:
        CdulEdgeError: a bundle that must not be published, no access, or no network.
    """
    refuse_later_copies("push")
    with extra_imports("hub", "pushing to the Hub"):
        from cdul_edge.hub import push as pushing
    from cdul_edge.hub.request import PushRequest

    return pushing.push(ask(PushRequest, request, keywords), console)


@overload
def pull(request: PullRequest, /, *, console: Console | None = None) -> PullResult: ...
@overload
def pull(*, console: Console | None = None, **keywords: Unpack[PullKeywords]) -> PullResult: ...
def pull(
    request: PullRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> PullResult:
    """Pull a bundle from the Hugging Face Hub, and check every file by its digest.

    Args:
        request: a `cdul_edge.hub.request.PullRequest`.
        console: where lines go; without one, only warnings are issued.
        **keywords: the fields of a `PullRequest`, in place of `request`.

    Raises:
        CdulEdgeError: no such repository, no bundle in it, a damaged file, or no network.
    """
    refuse_later_copies("pull")
    with extra_imports("hub", "pulling from the Hub"):
        from cdul_edge.hub import pull as pulling
    from cdul_edge.hub.request import PullRequest

    return pulling.pull(ask(PullRequest, request, keywords), console)
