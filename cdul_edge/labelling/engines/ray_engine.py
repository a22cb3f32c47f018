"""Parts made by actors on a Ray cluster: `map_batches` over part numbers, and nothing larger.

No picture and no similarity goes through Ray: an actor reads its part's pictures from where they
lie, and writes the part where the labels lie. What Ray knows is the number, and the report.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import torch

from cdul_edge.clip.choices import Device
from cdul_edge.labelling.choose_clip import ChosenClip, choose_clip
from cdul_edge.labelling.engines.ray_actor import Answer, Job, PartActor
from cdul_edge.labelling.engines.ray_cluster import list_nodes, open_cluster
from cdul_edge.labelling.engines.ray_pool import Pool, share_cluster
from cdul_edge.labelling.engines.ray_scorer import RemoteChoice, RemoteScorer
from cdul_edge.labelling.engines.ray_starts import Starts
from cdul_edge.labelling.engines.versions import Versions
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge.labelling.score_part import Seen
from cdul_edge.labels.settings import ClipRun
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

if TYPE_CHECKING:
    from ray.actor import ActorHandle

# Nobody at work for so long, with parts to make: say so, and at last give up.
TELL_S = 30.0
GIVE_UP_S = 600.0


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
        self._open.enter_context(open_cluster(self._address))
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
        starts = _start_beside_driver()
        answers = _Answers(parts, replace(pool, actors=min(pool.actors, len(parts))), job, starts)
        watch = _Watch(pool, starts, self._console)
        for _ in parts:
            while (answer := answers.take()) is None:
                watch.look()
            watch.reset()
            yield self._report(answer)

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
            reason = str(error).strip().splitlines()[-1]
            raise CdulEdgeError(
                f"CLIP cannot be loaded on the cluster ({reason}): give every machine the same "
                "cdul-edge, and enough memory"
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


class _Answers:
    """What the actors answer, through a thread: the caller never waits for Ray without an end."""

    def __init__(
        self, parts: Sequence[int], pool: Pool, job: Job, starts: ActorHandle[Starts]
    ) -> None:
        self._queue: SimpleQueue[Answer | BaseException] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, args=(parts, pool, job, starts), daemon=True, name="ray.data"
        )
        self._thread.start()

    def take(self, seconds: float = 1.0) -> Answer | None:
        """The next answer; None where none comes in time."""
        try:
            found = self._queue.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(found, BaseException):
            raise CdulEdgeError(
                f"the cluster gave up ({_last_line(found)}): finished parts are kept; run the same "
                "command again"
            ) from found
        return found

    def _run(self, parts: Sequence[int], pool: Pool, job: Job, starts: ActorHandle[Starts]) -> None:
        import ray

        try:
            rows = ray.data.from_items(
                [{"part": part} for part in parts], override_num_blocks=len(parts)
            ).map_batches(
                PartActor,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=pool.actors),
                fn_constructor_args=(job, starts),
                num_cpus=pool.cpus,
                num_gpus=pool.gpus,  # and whatever dies is started and asked again, for ever
            )
            for row in rows.iter_rows():
                self._queue.put(pickle.loads(row["answer"]))
        except BaseException as error:  # noqa: BLE001 - raised by `take`
            self._queue.put(error)


@dataclass
class _Watch:
    """Tells why nothing comes, and ends a run for which no machine is left."""

    pool: Pool
    starts: ActorHandle[Starts]
    console: Console

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """An answer came."""
        self._idle_since: float | None = None
        self._told = monotonic()

    def look(self) -> None:
        """Call about every second while no answer comes.

        Raises:
            CdulEdgeError: no machine could run an actor for ten minutes.
        """
        now = monotonic()
        if any(self.pool.fits(node) for node in list_nodes()):
            self._idle_since = None
            return
        self._idle_since = self._idle_since or now
        waited = now - self._idle_since
        what = f"no machine of the cluster has the {self.pool.cpus} CPUs" + (
            " and the GPU of an actor" if self.pool.gpus else " of an actor"
        )
        if waited > GIVE_UP_S:
            raise CdulEdgeError(
                f"{what}, for {GIVE_UP_S / 60:.0f} minutes now: finished parts are kept; start "
                "machines, and run the same command again"
            )
        if now - self._told > TELL_S:
            self._told = now
            self.console.warn(f"{what}: waiting for one ({waited:.0f} s)")


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


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
