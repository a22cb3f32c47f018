"""`cdul-edge label` on pictures: the order of the steps."""

from __future__ import annotations

from cdul_edge.labelling.encode.console import Talk
from cdul_edge.labelling.request import LabelRequest
from cdul_edge.labelling.store.resume import find_existing, refuse_damage
from cdul_edge.labelling.task import read_task
from cdul_edge.labelling.write_labels import Effort, LabelSummary, finish_labels
from cdul_edge_runtime.errors import LabelsError, extra_imports


def label_pictures(request: LabelRequest, talk: Talk) -> LabelSummary:
    """Make, or finish, the similarity store of some pictures, then their pseudo-labels.

    CLIP (and torch) is loaded only when similarities are missing.

    Raises:
        CdulEdgeError: wrong input; nothing was written.
        LabelsError: `request.out` holds labels made otherwise, or damaged ones.
    """
    effort = Effort()
    existing = find_existing(request.out)
    task = read_task(request, existing)
    replace = False
    if existing is not None:
        try:
            task.require_same(existing)
        except LabelsError:
            if not request.force:
                raise
            replace, existing = True, None
    if existing is not None and task.answered_by(existing) and not request.repair:
        refuse_damage(request.out, existing)
        talk.say("the similarities are complete: CLIP is not run")
        content = existing
    else:
        with extra_imports("train", "running CLIP"):
            from cdul_edge.labelling.fill_store import fill_store
        content = fill_store(task, existing, effort, talk, replace=replace)
    content["inputs"] = task.inputs
    return finish_labels(request.out, content, request.scoring, effort, talk)
