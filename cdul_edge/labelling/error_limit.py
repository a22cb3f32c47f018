"""`--max-errors`: a run that cannot read too many of its pictures stops."""

from __future__ import annotations

from collections.abc import Sequence

from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge_runtime.errors import CdulEdgeError


class ErrorLimit:
    """Counts pictures that could not be read, whichever process found them.

    Args:
        limit: how many may be; None for any number.
        already: how many there are in parts that are finished.
    """

    def __init__(self, limit: int | None, already: int = 0) -> None:
        self._limit = limit
        self.count = already

    def add(self, pictures: Sequence[StoredPicture]) -> None:
        """Count; raises `CdulEdgeError` naming the picture that was too many."""
        for picture in pictures:
            if picture.reason is not None:
                self._count(1, picture.path, picture.reason)

    def add_report(self, report: PartReport) -> None:
        """Count those of a part that another process made; raises as `add` does."""
        for picture in report.skipped:
            self._count(1, picture.path, picture.reason)
        beyond = report.unreadable - len(report.skipped)
        if beyond:
            self._count(beyond, report.skipped[-1].path, report.skipped[-1].reason)

    def _count(self, more: int, path: str, reason: str) -> None:
        self.count += more
        if self._limit is not None and self.count > self._limit:
            raise CdulEdgeError(
                f"{self.count} pictures could not be read, more than --max-errors "
                f"{self._limit}; the last is {path!r}, which {reason}: finished parts are kept"
            )
