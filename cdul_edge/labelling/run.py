"""The order of the steps of labelling."""

from __future__ import annotations

from cdul_edge.labelling.plan import LabelPlan, make_plan, refuse_differences
from cdul_edge.labelling.request import ImportRequest, LabelRequest, LabelResult
from cdul_edge.labelling.store.changes import Changes, find_changes
from cdul_edge.labelling.store.folder import find_existing, refuse_damage
from cdul_edge.labelling.write_labels import Effort, write_labels
from cdul_edge.labels.manifest import LabelsManifest
from cdul_edge_runtime.errors import LabelsError, extra_imports
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.folder_lock import lock_folder


def label(request: LabelRequest | ImportRequest, console: Console | None = None) -> LabelResult:
    """Make, or finish, the similarity store of some pictures, then their pseudo-labels.

    Args:
        request: pictures for CLIP, or CLIP outputs that were computed elsewhere.
        console: where lines and progress go; None passes on warnings only.

    Raises:
        CdulEdgeError: wrong input, or another process at work in the folder; nothing was written.
        LabelsError: `request.out` holds labels made otherwise, or damaged ones.
    """
    console, effort = console or LibraryConsole(), Effort()
    with lock_folder(request.out, "labelling into"):
        if isinstance(request, ImportRequest):
            from cdul_edge.labelling.imported.label_imported import import_similarities

            manifest = import_similarities(request, console)
        else:
            manifest = label_pictures(request, console, effort)
        return write_labels(request.out, manifest, request.scoring, effort, console)


def label_pictures(request: LabelRequest, console: Console, effort: Effort) -> LabelsManifest:
    """Make every similarity that is missing; CLIP, and torch, are loaded only then.

    Returns:
        The manifest of the store, whose parts are all there.
    """
    existing = find_existing(request.out)
    plan = make_plan(request, existing)
    changes = Changes()
    replace = False
    if existing is not None:
        try:
            changes = _compare(plan, existing)
        except LabelsError:
            if not request.force:
                raise
            replace, existing = True, None
    if existing is not None and _is_answered(plan, existing, changes):
        refuse_damage(request.out, existing)
        console.say("the similarities are complete: CLIP is not run")
        return existing
    with extra_imports("train", "running CLIP"):
        from cdul_edge.labelling.fill_store import fill_store
    return fill_store(plan, existing, changes, effort, console, replace=replace)


def _compare(plan: LabelPlan, existing: LabelsManifest) -> Changes:
    """What changed about the pictures; raises `LabelsError` where it was not asked for."""
    request = plan.request
    refuse_differences(request.out, plan.differs_from(existing))
    parts = existing.similarities.parts
    changes = find_changes(request.out, parts, plan.pictures, update=request.update)
    refused = changes.list_differs or (changes.replaced and not request.repair)
    if refused and not request.update:
        raise LabelsError(
            f"the pictures changed since {request.out} was made: {changes}: give --update to label "
            "what is new or replaced and drop what is gone, or choose another --out"
        )
    return changes


def _is_answered(plan: LabelPlan, existing: LabelsManifest, changes: Changes) -> bool:
    if not existing.complete or plan.request.repair or not plan.has_texts_of(existing):
        return False
    return not (plan.request.update and (str(changes) or changes.skipped))
