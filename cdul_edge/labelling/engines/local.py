"""Parts made by this process, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdul_edge.labelling.choose_clip import ChosenClip, choose_clip
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge.labelling.score_part import Seen, open_scorer
from cdul_edge.labels.settings import ClipRun
from cdul_edge_runtime.host.console import Console


class LocalEngine:
    """As `Engine`; CLIP's batches and the next pictures' decoding overlap, over parts too."""

    def __init__(self, plan: LabelPlan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._opened: tuple[ImageEncoder, ChosenClip] | None = None

    def choose_clip(self, before: ClipRun | None) -> ChosenClip:
        """Load CLIP."""
        self._opened = choose_clip(self._plan, before, self._console)
        return self._opened[1]

    def score_parts(self, parts: Sequence[int], seen: Seen) -> Iterator[PartReport]:
        """Parts whose pictures are known first: CLIP is not run for them."""
        assert self._opened is not None, "choose_clip comes first"
        with open_scorer(self._plan, *self._opened, self._console) as scorer:
            known = scorer.earlier.places
            if known:
                if self._plan.unit == "pictures":
                    paths = (path for i in parts for path in self._plan.source.paths(i))
                    same = sum(path in known for path in paths)
                    self._console.say(
                        f"{same} pictures are the same as before: CLIP is not run for them"
                    )
                parts = sorted(parts, key=scorer.needs_clip)
            yield from scorer.score_parts(parts, seen)
