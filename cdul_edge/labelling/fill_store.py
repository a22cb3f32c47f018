"""The expensive half: pictures in, parts of the similarity store out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from time import perf_counter

from cdul_edge.labelling.engines.engine import Engine
from cdul_edge.labelling.engines.open_engine import open_engine
from cdul_edge.labelling.error_limit import ErrorLimit
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan, describe_differences, refuse_differences
from cdul_edge.labelling.store.changes import Changes
from cdul_edge.labelling.store.doubled import refuse_doubled
from cdul_edge.labelling.store.folder import (
    WantedParts,
    finish_parts,
    remove_labels,
    set_aside,
    sort_parts,
    start_folder,
    write_list,
)
from cdul_edge.labelling.store.index import PartsIndex
from cdul_edge.labelling.store.lost_manifest import drop_changed_parts, refuse_other_parts
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labelling.store.verification import drop_damage
from cdul_edge.labelling.write_labels import Effort
from cdul_edge.labels.manifest import LabelsManifest
from cdul_edge.sources.shards import ShardPictures
from cdul_edge_runtime.host.console import Advance, Console
from cdul_edge_runtime.host.memory_errors import KEPT, MORE, memory_for
from cdul_edge_runtime.pictures.resizer import PILLOW, extend_record

_SMALLER = (
    f"{MORE}, or give a smaller --batch-pictures or --part-pictures, or fewer --workers or "
    "--threads"
)


def fill_store(
    plan: LabelPlan,
    existing: LabelsManifest | None,
    changes: Changes,
    effort: Effort,
    console: Console,
) -> LabelsManifest:
    """Make every part that is missing; nothing is written before CLIP is loaded and fits.

    Args:
        plan: what to label.
        existing: the manifest that is in the folder.
        changes: what happened to its pictures since, and whether anything of it is of use.
        effort: counts the pictures and seconds.
        console: for lines and progress.

    Returns:
        The manifest as it was written, still marked unfinished.
    """
    with open_engine(plan, console) as engine:
        return _fill(plan, engine, existing, changes, effort, console)


def _fill(
    plan: LabelPlan,
    engine: Engine,
    existing: LabelsManifest | None,
    changes: Changes,
    effort: Effort,
    console: Console,
) -> LabelsManifest:
    request, out = plan.request, plan.request.out
    before = None if existing is None or changes.everything else existing.model
    with memory_for(f"CLIP ({request.clip})", f"{MORE}, or give a smaller --clip"):
        clip = engine.choose_clip(before)
    if before is not None:
        refuse_differences(out, describe_differences(asdict(before), asdict(clip.model)))
    views = request.chosen_views.count * clip.vectors_per_view
    resizers = _record_resizer(existing, changes, plan, console)
    manifest = replace(plan.manifest(clip.model, views, clip.temperature), resizers=resizers)
    wanted = plan.wanted_parts(clip.model, None if changes.everything else existing)
    if existing is None:
        if request.repair:
            drop_changed_parts(out)
        refuse_other_parts(out, wanted.settings)
    elif request.repair and not changes.everything:
        drop_damage(out, existing)
    if changes.everything:
        console.say(f"starting over in {out}")
        remove_labels(out)
    start_folder(out, manifest)
    index = PartsIndex.recover(out)
    shards = plan.source if isinstance(plan.source, ShardPictures) else None
    if shards or not changes.list_differs:  # a part does not tell of which shard it is
        index.drop_parts(changes.stale_parts)
        index.write()
        set_aside(out, changes.stale_parts)
    write_list(out, shards or plan.listed)
    with memory_for("CLIP's batches and the parts of the store", f"{_SMALLER}; {KEPT}"):
        make_parts(plan, engine, index, wanted, effort, console)
    if shards is not None:
        refuse_doubled(out, shards)
    finish_parts(out)
    return manifest


def make_parts(
    plan: LabelPlan,
    engine: Engine,
    index: PartsIndex,
    wanted: WantedParts,
    effort: Effort,
    console: Console,
) -> None:
    """Have the parts made that are missing, from kept embeddings where there are some.

    Args:
        plan: what to label.
        engine: makes them; its CLIP is chosen.
        index: of the parts that are there; it takes up those that are made, and is written.
        wanted: what the parts shall be.
        effort: counts the pictures and seconds.
        console: for lines and progress.

    Raises:
        CdulEdgeError: more pictures than --max-errors cannot be read; finished parts are kept.
    """
    from_embeddings, from_pictures = sort_parts(index, wanted, repair=plan.request.repair)
    missing = [*from_embeddings, *from_pictures]
    done = sorted(set(range(len(plan.parts))).difference(missing))
    if done:
        console.say(f"{plan.count(done)} of {plan.total} {plan.unit} are labeled already")
    if from_embeddings:
        console.say(
            f"{plan.count(from_embeddings)} {plan.unit} have kept embeddings: only CLIP's text "
            "side is run for them"
        )
    if not missing:
        return
    errors = ErrorLimit(plan.request.max_errors, index.count_skipped(done))
    total, behind = plan.total, plan.count(done)
    with console.progress("labeling", total, done=behind, unit=plan.unit) as advance:
        tally = _Tally(errors, effort, advance, by_part=plan.unit == "parts")
        for report in engine.score_parts(missing, tally.see):
            tally.add(report)
            index.add(report.part, report.files)
    index.write()


class _Tally:
    """Counts what an engine says it did."""

    def __init__(
        self, errors: ErrorLimit, effort: Effort, advance: Advance, *, by_part: bool
    ) -> None:
        self._by_part = by_part
        self._errors = errors
        self._effort = effort
        self._advance = advance
        self._seen = 0
        self._last = perf_counter()

    def see(self, pictures: Sequence[StoredPicture]) -> None:
        """Pictures of a part that will be reported next."""
        self._seen += len(pictures)
        self._errors.add(pictures)
        if not self._by_part:
            self._advance(len(pictures))

    def add(self, report: PartReport) -> None:
        """A part that stands; of one whose pictures were seen, the others had been known."""
        if report.from_embeddings:
            self._errors.count += report.unreadable  # an earlier run was told of them
        elif not self._seen:
            self._errors.add_report(report)
        self._advance(1 if self._by_part else report.pictures - self._seen)
        now = perf_counter()
        if self._seen or report.encoded:
            self._effort.encoded += report.encoded
            self._effort.encoding_seconds += now - self._last
        self._last, self._seen = now, 0


def _record_resizer(
    existing: LabelsManifest | None, changes: Changes, plan: LabelPlan, console: Console
) -> tuple[str, ...]:
    """What resized the pictures of the store, this process included where it will read some."""
    if existing is None or changes.everything:
        return extend_record((), console.say)
    before = existing.resizers or (PILLOW,)
    whole = existing.complete and not (changes.list_differs or changes.stale_parts)
    if whole and not plan.request.repair:  # only texts are new
        return before
    return extend_record(before, console.say)
