"""Parts made by actors on a Ray cluster: `map_batches` over part numbers, and nothing larger.

No picture and no similarity goes through Ray: an actor reads its part's pictures from where they
lie, and writes the part where the labels lie. What Ray knows is the number, and the report.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from cdul_edge.clip.choices import Device
from cdul_edge.labelling.choose_clip import ChosenClip, choose_clip
from cdul_edge.labelling.engines.ray_actor import Answer, Job
from cdul_edge.labelling.engines.ray_answers import ActorAnswers, GaveUpError, describe
from cdul_edge.labelling.engines.ray_cluster import (
    LOCAL,
    cluster_address,
    list_nodes,
    open_cluster,
)
from cdul_edge.labelling.engines.ray_pool import Pool, share_cluster
from cdul_edge.labelling.engines.ray_scorer import RemoteChoice, RemoteScorer
from cdul_edge.labelling.engines.ray_starts import Starts
from cdul_edge.labelling.engines.ray_watch import IdleWatch
from cdul_edge.labelling.engines.versions import Versions
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge.labelling.score_part import Seen
from cdul_edge.labels.settings import ClipRun
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

if TYPE_CHECKING:
    from ray.actor import ActorHandle

# How often the cluster may fail as a whole with nothing done since the last time.
MOST_IN_VAIN = 3


class RayEngine:
    """As `Engine`, on a cluster; close it, or use it as a context.

    Args:
        plan: what to label.
        console: for notes, those of the actors among them.
        address: as `open_cluster` has it.
        actors: how many at most; None takes the whole cluster.
    """

    def __init__(
        self, plan: LabelPlan, console: Console, address: str | None, actors: int | None
    ) -> None:
        self._plan = plan
        self._console = console
        self._address = address
        self._actors = actors
        self._open = ExitStack()
        self._said: set[str] = set()
        self._ready: tuple[Pool, ChosenClip] | None = None

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self._open.close()

    def choose_clip(self, before: ClipRun | None) -> ChosenClip:
        """Join the cluster and choose there, or here, what every actor will run.

        Raises:
            CdulEdgeError: as `open_cluster`, `share_cluster`, and `choose_clip` of this package.
        """
        address = cluster_address(self._address)
        alone = address.where == LOCAL
        self._console.say(f"Ray: {'starting' if alone else f'joining {address.where}'}")
        self._open.enter_context(open_cluster(address))
        nodes, request = list_nodes(), self._plan.request
        on_gpus = request.device == "cuda" or (
            request.device == "auto" and any(node.gpus for node in nodes)
        )
        pool = share_cluster(nodes, actors=self._actors, threads=request.threads, on_gpus=on_gpus)
        self._console.say(
            f"Ray: {len(nodes)} machine{'s' if len(nodes) > 1 else ''}, actors: {pool}"
        )
        self._plan = _for_actors(self._plan, pool)
        if on_gpus and not torch.cuda.is_available():
            chosen = self._choose_there(pool, before)
        else:
            _, chosen = choose_clip(self._plan, before, self._console)
        self._ready = pool, chosen
        return chosen

    def score_parts(self, parts: Sequence[int], seen: Seen) -> Iterator[PartReport]:
        """Parts in the order in which they are done.

        Raises:
            CdulEdgeError: of a part, as it was raised in the actor; versions that differ; a part
                that ends every actor; a cluster without a machine to run one.
        """
        assert self._ready is not None, "choose_clip comes first"
        pool, chosen = self._ready
        library = chosen.model.encoder
        job = Job(
            Versions.of_this_process(library),
            library,
            pickle.dumps(RemoteScorer.of(self._plan, chosen)),
        )
        starts, left, in_vain = _start_beside_driver(), dict.fromkeys(parts), 0
        while left:
            before = len(left)
            try:
                for answer in self._answers(list(left), pool, job, starts):
                    left.pop(answer.part, None)
                    yield self._report(answer)
            except GaveUpError as error:
                in_vain = in_vain + 1 if len(left) == before else 0
                if in_vain == MOST_IN_VAIN:
                    raise CdulEdgeError(
                        f"the cluster gave up {in_vain} times without a new part ({error}): mostly "
                        "too little memory, or a lost machine: see /tmp/ray/session_latest/logs "
                        "there, give fewer --actors or more memory, and run the same command "
                        "again; finished parts are kept"
                    ) from error
                self._console.warn(f"the cluster gave up ({error}), and is asked again")

    def _answers(
        self, parts: Sequence[int], pool: Pool, job: Job, starts: ActorHandle[Starts]
    ) -> Iterator[Answer]:
        """As they come, once for each part."""
        some = replace(pool, actors=min(pool.actors, len(parts)))
        watch = IdleWatch(pool, self._console)
        with ActorAnswers(parts, some, job, starts) as answers:
            for _ in parts:
                while (answer := answers.take()) is None:
                    watch.look()
                watch.reset()
                yield answer

    def _report(self, answer: Answer) -> PartReport:
        for line in answer.said:
            self._once(line, self._console.say)
        for line in answer.warned:
            self._once(line, self._console.warn)
        if answer.error is not None:
            if answer.trace and not isinstance(answer.error, CdulEdgeError):
                raise answer.error from _InActor(answer)
            raise answer.error
        assert answer.report is not None
        return answer.report

    def _once(self, line: str, tell: Any) -> None:
        if line not in self._said:
            self._said.add(line)
            tell(line)

    def _choose_there(self, pool: Pool, before: ClipRun | None) -> ChosenClip:
        """On a machine with a GPU, as this one has none."""
        import ray

        task = ray.remote(num_cpus=pool.cpus, num_gpus=pool.gpus, max_retries=0)(RemoteChoice.run)
        try:
            chosen, error, said = ray.get(task.remote(RemoteChoice.of(self._plan, before)))
        except ray.exceptions.RayError as error:
            raise CdulEdgeError(
                f"CLIP cannot be loaded on the cluster ({describe(error)}): give every machine the "
                "same cdul-edge, and enough memory"
            ) from error
        for line in said:
            self._console.say(line)
        if error is not None:
            raise error
        assert chosen is not None
        return chosen


class _InActor(Exception):
    """Where in the actor an error came from, for the traceback of a bug."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"in the actor on {answer.where}, at part {answer.part}:\n{answer.trace}")


def _for_actors(plan: LabelPlan, pool: Pool) -> LabelPlan:
    """The plan with what an actor's share of its machine is."""
    request = plan.request
    device: Device = "cuda" if pool.gpus else "cpu"
    workers = pool.cpus if request.workers is None else request.workers
    return replace(
        plan, request=replace(request, device=device, threads=pool.cpus, workers=workers)
    )


def _start_beside_driver() -> ActorHandle[Starts]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    handle = (
        ray.remote(Starts)
        .options(
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=-1,
            scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
        )
        .remote()
    )
    return cast("ActorHandle[Starts]", handle)
