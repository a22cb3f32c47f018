"""The verbs that make pages for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from cdul_edge.front.asking import ask
from cdul_edge.launcher import refuse_later_copies
from cdul_edge_runtime.errors import extra_imports

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cdul_edge.front.keywords import ReportKeywords, ReviewKeywords
    from cdul_edge.reporting.request import ReportRequest, ReportResult
    from cdul_edge.reviewing.request import ReviewRequest, ReviewResult
    from cdul_edge_runtime.host.console import Console


@overload
def report(request: ReportRequest, /, *, console: Console | None = None) -> ReportResult: ...
@overload
def report(
    *, console: Console | None = None, **keywords: Unpack[ReportKeywords]
) -> ReportResult: ...
def report(
    request: ReportRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> ReportResult:
    """Show what the stages made on one HTML page that needs no network.

    Args:
        request: a `cdul_edge.reporting.request.ReportRequest`.
        console: where to warn, and progress goes; without one, warnings are issued.
        **keywords: the fields of a `ReportRequest`, in place of `request`.

    Raises:
        CdulEdgeError: inputs that are not there, not finished, or not of this program, or a page
            that exists already.
    """
    refuse_later_copies("report")
    with extra_imports("report", "a report"):
        from cdul_edge.reporting import report as reporting
        from cdul_edge.reporting.request import ReportRequest

    return reporting.report(ask(ReportRequest, request, keywords), console)


@overload
def review(request: ReviewRequest, /, *, console: Console | None = None) -> ReviewResult: ...
@overload
def review(
    *, console: Console | None = None, **keywords: Unpack[ReviewKeywords]
) -> ReviewResult: ...
def review(
    request: ReviewRequest | None = None, /, *, console: Console | None = None, **keywords: object
) -> ReviewResult:
    """Write a page on which a person answers the most useful questions about labels.

    Args:
        request: a `cdul_edge.reviewing.request.ReviewRequest`.
        console: where to say what is left out; without one, warnings are issued.
        **keywords: the fields of a `ReviewRequest`, in place of `request`.

    Raises:
        CdulEdgeError: labels that are not there or not finished, no picture of them, answers or a
            sheet of other labels, or a page that exists already.
    """
    refuse_later_copies("review")
    with extra_imports("report", "a review"):
        from cdul_edge.reviewing import review as reviewing
        from cdul_edge.reviewing.request import ReviewRequest

    return reviewing.review(ask(ReviewRequest, request, keywords), console)
