"""What `bench` and `verify` found on this machine, in words."""

from __future__ import annotations

from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.measured import REFERENCE_TRUTH, BenchRun, Judgement, Measured
from cdul_edge_runtime.errors import CdulEdgeError


def describe_measured(bundle: Bundle) -> dict[str, str]:
    """A line a run and a judgement; what is wrong with the file where it cannot be read."""
    try:
        measured = Measured.read(bundle.folder)
    except CdulEdgeError as error:
        return {"damaged": str(error)}
    if measured is None:
        return {}
    where = "this machine" if measured.of_this_machine else "another machine"
    found = {"on": f"{measured.cpu}, {where}"}
    for run in measured.runs:
        found[f"bench {run.started[:19]}, threads {run.threads}"] = _describe_run(run)
    for one in measured.judgements:
        found[f"verify {one.subject}"] = _describe_judgement(one)
    return found


def _describe_run(run: BenchRun) -> str:
    rows = sorted(run.rows, key=lambda row: row.end_to_end_ms)
    return ", ".join(f"{row.end_to_end_ms:.2f} ms {row.subject}" for row in rows)


def _describe_judgement(one: Judgement) -> str:
    kind = "reference pictures" if one.truth == REFERENCE_TRUTH else "pictures"
    return f"{one.verdict} on {one.pictures} {kind}, {one.judged[:10]}"
