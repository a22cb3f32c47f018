"""What `make gpu-check` found on a GPU; it says so where it never ran on one."""

from __future__ import annotations

from benchmarks.gpu.report import tell_bar, tell_value
from benchmarks.gpu.request import RESULTS
from benchmarks.gpu.result_file import StepResult
from benchmarks.tables.markdown import section, table
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record

NOT_RUN = "`make gpu-check` has not run on a GPU yet.\n"


def read_gpu_results() -> tuple[StepResult, ...]:
    """The committed results, in the order of their names; empty where there are none."""
    files = sorted(RESULTS.glob("*.json"))
    return tuple(parse_record(StepResult, read_json(file)) for file in files)


def draw_gpu() -> str:
    """A section: figures with a bar, what failed, and what was left out."""
    results = read_gpu_results()
    if not results:
        return section("On a GPU", NOT_RUN)
    rows: list[tuple[str, ...]] = []
    for result in results:
        for figure in result.figures:
            verdict = figure.verdict(full=True)
            if verdict != "not judged":
                rows.append(
                    (result.benchmark, figure.name, tell_value(figure), tell_bar(figure), verdict)
                )
        rows += [(result.benchmark, one, "", "", "failed") for one in result.failures]
        rows += [(result.benchmark, one, "", "", "left out") for one in result.notes]
    heads = ("step", "figure", "value", "bar", "verdict")
    return section("On a GPU", " ".join(_describe(results)), table(heads, rows))


def draw_gpu_line() -> str:
    """One sentence for the README; empty where it never ran."""
    verdicts = [f.verdict(full=True) for one in read_gpu_results() for f in one.figures]
    judged = [verdict for verdict in verdicts if verdict != "not judged"]
    if not judged:
        return ""
    names = sorted({str(one.on.gpu) for one in read_gpu_results()})
    return f" On {', '.join(names)} {judged.count('met')} of {len(judged)} GPU bars are met."


def _describe(results: tuple[StepResult, ...]) -> list[str]:
    """A sentence for each machine and set of versions."""
    told = (
        f"`make gpu-check` on {one.on.name}, PyTorch {one.on.versions.get('torch')} for CUDA "
        f"{one.on.cuda}, commit {one.commit}."
        for one in results
    )
    return list(dict.fromkeys(told))
