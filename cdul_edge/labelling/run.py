"""The order of the steps of labeling."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cdul_edge.labelling.plan import LabelPlan, make_plan
from cdul_edge.labelling.request import ImportRequest, LabelRequest, LabelResult
from cdul_edge.labelling.store.changes import Changes
from cdul_edge.labelling.store.folder import find_existing
from cdul_edge.labelling.store.index import index_older
from cdul_edge.labelling.store.lost_manifest import find_lost_changes, has_lost_manifest
from cdul_edge.labelling.store.verification import refuse_damage
from cdul_edge.labelling.write_labels import Effort, write_labels
from cdul_edge.labels.manifest import LabelsManifest
from cdul_edge.labels.observed import GivenAnswers, read_answers
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import LabelsError, extra_imports
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.folder_lock import lock_folder
from cdul_edge_runtime.host.memory_errors import KEPT, MORE, memory_for
from cdul_edge_runtime.metrics.matching import name_stem


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
    with _hold(request.out):
        if isinstance(request, ImportRequest):
            from cdul_edge.labelling.imported.label_imported import import_similarities

            manifest = import_similarities(request, console)
        else:
            manifest = label_pictures(request, console, effort)
        index_older(request.out)
        known = f"{manifest.inputs.pictures or 'all'} pictures and {len(manifest.classes)} classes"
        with memory_for(f"the scores of {known}", f"{MORE}, or name fewer classes; {KEPT}"):
            return write_labels(
                request.out, manifest, request.scoring, effort, console, request.observed
            )


def _refuse_answers_about_others(given: GivenAnswers, plan: LabelPlan) -> None:
    """Refuse answers about pictures that are not listed; shards are not read for it."""
    if plan.source.pictures is None:
        return
    stems = given.stems
    meant = [path for path in plan.listed if name_stem(path) in stems]
    given.find(meant, plan.source.pictures, plan.source.root)


def _hold(out: Location) -> AbstractContextManager[None]:
    """Keep other processes of this machine, and where a disk has locks of others, out of a folder.

    An object store has no locks. Two that label the same there write the same bytes; other settings
    are refused by the manifest, once it stands.
    """
    return lock_folder(out, "labeling into") if isinstance(out, Path) else nullcontext()


def label_pictures(request: LabelRequest, console: Console, effort: Effort) -> LabelsManifest:
    """Make every similarity that is missing; CLIP, and torch, are loaded only then.

    Returns:
        The manifest of the store, whose parts are all there.
    """
    lost = request.repair and has_lost_manifest(request.out)
    existing = None if lost else find_existing(request.out)
    with memory_for(f"the list of pictures in {request.images}", f"{MORE}, or list fewer"):
        plan = make_plan(request, existing)
    if request.observed:  # refuse wrong answers now, not after hours of CLIP
        _refuse_answers_about_others(read_answers(request.observed, plan.prompts.classes), plan)
    changes = Changes()
    if existing is not None:
        try:
            changes = plan.compare(existing)
        except LabelsError:
            if not request.force:
                raise
            changes = Changes(everything=True)
    elif lost:
        console.say(f"{request.out} has no whole manifest: it is written again, parts are kept")
        changes = find_lost_changes(request.out, plan.source)
    if existing is not None and changes.none and existing.complete and not request.repair:
        refuse_damage(request.out, existing, digests=request.verify, besides=FILE_NAME)
        console.say("the similarities are complete: CLIP is not run")
        return existing
    with extra_imports("train", "running CLIP"):
        from cdul_edge.labelling.fill_store import fill_store
    return fill_store(plan, existing, changes, effort, console)
