"""Parts made by this process, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdul_edge.labelling.choose_clip import ChosenClip, choose_clip
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge.labelling.score_part import PartScorer, Seen
from cdul_edge.labels.settings import ClipRun
from cdul_edge_runtime.host.console import Console


class LocalEngine:
    """As `Engine`; CLIP's batches and the next pictures' decoding overlap, over parts too."""

    def __init__(self, plan: LabelPlan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._scorer: PartScorer | None = None

    def choose_clip(self, before: ClipRun | None) -> ChosenClip:
        """Load CLIP."""
        encoder, clip = choose_clip(self._plan, before, self._console)
        self._scorer = PartScorer(self._plan, encoder, clip, self._console)
        return clip

    def score_parts(self, parts: Sequence[int], seen: Seen) -> Iterator[PartReport]:
        """Parts whose pictures are known first: CLIP is not run for them.

        Those of shards come in order: only reading a shard tells what is in it.
        """
        scorer, plan = self._scorer, self._plan
        assert scorer is not None, "choose_clip comes first"
        known = scorer.earlier.places
        if known and plan.unit == "pictures":
            paths = (path for index in parts for path in plan.source.paths(index))
            same = sum(path in known for path in paths)
            self._console.say(f"{same} pictures are the same as before: CLIP is not run for them")
            parts = sorted(parts, key=scorer.needs_clip)
        return scorer.score_parts(parts, seen)

    def close(self) -> None:
        """End the decoding processes."""
        if self._scorer is not None:
            self._scorer.close()
