"""From the name of an engine to the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cdul_edge.labelling.engines.engine import Engine
from cdul_edge.labelling.engines.local import LocalEngine
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge_runtime.host.console import Console


@contextmanager
def open_engine(plan: LabelPlan, console: Console) -> Iterator[Engine]:
    """What the request names; a cluster is left when the block ends."""
    request = plan.request
    if request.engine == "local":
        with closing(LocalEngine(plan, console)) as local:
            yield local
        return
    from cdul_edge.labelling.engines.ray_engine import RayEngine

    with RayEngine(plan, console, request.address, request.actors) as engine:
        yield engine
