"""A plan as it travels to another machine: everything but the list of pictures, which stays."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cdul_edge.labelling.choose_clip import ChosenClip, choose_clip, reopen_clip
from cdul_edge.labelling.engines.ray_actor import ListConsole, as_picklable
from cdul_edge.labelling.engines.stored_paths import StoredPaths
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan, absolute_name
from cdul_edge.labelling.score_part import PartScorer
from cdul_edge.labelling.store.folder import PICTURES
from cdul_edge.labels.manifest import MANIFEST
from cdul_edge.labels.settings import ClipRun
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.paths import HeldPaths, PathList
from cdul_edge.sources.shards import ShardPictures
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError

# As many pictures as a trial of encoders may look at.
SAMPLE = 1000


@dataclass(frozen=True)
class RemoteScorer:
    """Makes the maker of parts, in an actor.

    Attributes:
        plan: without its pictures.
        count: how many pictures there are; of shards, how many parts.
        clip: what the driver chose.
        manifest: of the labels folder, by which the actor knows that it sees the same one.
    """

    plan: LabelPlan
    count: int
    clip: ChosenClip
    manifest: bytes

    @classmethod
    def of(cls, plan: LabelPlan, clip: ChosenClip) -> RemoteScorer:
        """Of a plan whose folder was started."""
        plan = _absolute(plan)
        manifest = open_storage(plan.request.out).read(MANIFEST)
        return cls(_with_paths(plan, HeldPaths.gather(())), plan.total, clip, manifest)

    def __call__(self, console: ListConsole) -> Callable[[int], PartReport]:
        """Load CLIP, on a machine that sees the labels folder."""
        self._refuse_other_folder()
        out = self.plan.request.out
        plan = self.plan
        if isinstance(plan.source, ListedPictures):
            plan = _with_paths(plan, StoredPaths(out / PICTURES, self.count))
        encoder = reopen_clip(plan, self.clip, console)
        scorer = PartScorer(plan, encoder, self.clip, console)

        def score(part: int) -> PartReport:
            _refuse_absent_pictures(plan, part)
            return scorer.score_part(part)

        return score

    def _refuse_other_folder(self) -> None:
        out = self.plan.request.out
        try:
            found = open_storage(out).read(MANIFEST)
        except (FileNotFoundError, NotADirectoryError):
            found = b""
        if found != self.manifest:
            raise CdulEdgeError(
                f"{out} is not the same folder on {socket.gethostname()} as on the machine of the "
                "command: give --out a folder that every machine sees, or a URL such as s3://"
            )


@dataclass(frozen=True)
class RemoteChoice:
    """The choice of a CLIP, on a machine of the cluster."""

    plan: LabelPlan
    before: ClipRun | None

    @classmethod
    def of(cls, plan: LabelPlan, before: ClipRun | None) -> RemoteChoice:
        """With as many pictures as a trial looks at."""
        plan = _absolute(plan)
        if isinstance(plan.source, ListedPictures):
            first = plan.source.names.slice(0, SAMPLE)
            plan = _with_paths(plan, HeldPaths.gather(first))
        return cls(plan, before)

    def run(self) -> tuple[ChosenClip | None, BaseException | None, Sequence[str]]:
        """What was chosen, or why nothing could be, and what was said."""
        console = ListConsole()
        try:
            _, chosen = choose_clip(self.plan, self.before, console)
        except Exception as error:  # noqa: BLE001 - it is the driver's to raise
            return None, as_picklable(error), console.said
        return chosen, None, console.said


def _refuse_absent_pictures(plan: LabelPlan, part: int) -> None:
    """A machine that sees none of them would write a part of unreadable pictures."""
    source = plan.source
    if not isinstance(source.root, Path):
        return
    if isinstance(source, ShardPictures):
        names, unit = tuple(shard.name for shard in source.shards_of(part)), "shards"
    else:
        names, unit = source.paths(part), "pictures"
    if not any((source.root / name).exists() for name in names):
        raise CdulEdgeError(
            f"{socket.gethostname()} sees none of the {len(names)} {unit} of part {part} in "
            f"{source.root}: mount the folder on every machine, or give the {unit} as a URL"
        )


def _absolute(plan: LabelPlan) -> LabelPlan:
    """Relative paths count from the folder of the command, wherever an actor runs."""
    request = plan.request
    request = replace(
        request,
        out=request.out.resolve() if isinstance(request.out, Path) else request.out,
        clip=absolute_name(request.clip),
        pretrained=None if request.pretrained is None else absolute_name(request.pretrained),
    )
    return replace(plan, request=request)  # a source's root is absolute


def _with_paths(plan: LabelPlan, paths: PathList) -> LabelPlan:
    if not isinstance(plan.source, ListedPictures):
        return plan  # shards are few
    return replace(plan, source=replace(plan.source, names=paths))
