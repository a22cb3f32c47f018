"""What the check says: its plan at the start, on stderr, and the figures at the end, on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.plan import Plan
from benchmarks.gpu.result_file import StepResult
from benchmarks.gpu.step import Figure, Setting
from benchmarks.tables.markdown import table


def tell_plan(plan: Plan, setting: Setting, minutes: float) -> list[str]:
    """Lines: the machine, what will run, what will not and why."""
    seconds = sum(step.estimate(setting) for step in plan.run)
    lines = [
        f"{setting.machine.name}{'; quick' if setting.quick else ''}",
        f"about {seconds / 60:.1f} minutes on a fast GPU, {minutes:g} at most"
        if setting.full
        else f"about {seconds:.0f} s",
    ]
    lines += [f"  run      {one.name}: {one.title}" for one in plan.run]
    for step, result in plan.done:
        lines.append(f"  done     {step.name}: {result.status} on {result.measured[:10]}, same "
                     "sources, GPU, and versions (--force runs it again)")  # fmt: skip
    lines += [f"  skipped  {step.name}: {why}" for step, why in plan.skipped]
    lines += [f"  not run  {step.name}: no time left; run this command again" for step in plan.left]
    return lines


def draw_table(plan: Plan, results: Sequence[StepResult], setting: Setting) -> str:
    """Figures against bars, failures, and what did not run, as a Markdown table."""
    rows: list[tuple[str, str, str, str, str]] = []
    for result in results:
        name = f"{result.benchmark}, {result.seconds:.0f} s"
        rows.append((name, "", "", "", result.status))
        for figure in result.figures:
            verdict = figure.verdict(full=setting.full)
            rows.append(("", figure.name, tell_value(figure), tell_bar(figure), verdict))
        rows += [("", one, "", "", "failed") for one in result.failures]
        rows += [("", one, "", "", "left out") for one in result.notes]
    ran = {result.benchmark for result in results}
    rows += [(step.name, "", "", "", "interrupted") for step in plan.run if step.name not in ran]
    rows += [(step.name, why, "", "", "skipped") for step, why in plan.skipped]
    rows += [(step.name, "no time left", "", "", "not run") for step in plan.left]
    return table(("step", "figure", "value", "bar", "verdict"), rows)


def tell_end(
    plan: Plan, results: Sequence[StepResult], setting: Setting, folder: Path
) -> list[str]:
    """Lines: where everything lies, and what comes next."""
    lines = [f"results: {folder}/*.json; what the steps printed: {folder}/logs/*.log"]
    ended = {result.benchmark for result in results if result.finished}
    if plan.left or not ended.issuperset(step.name for step in plan.run):
        lines.append("next: run the same command again; it goes on with the steps that did not end")
    elif setting.full:
        lines.append("next: python -m benchmarks.tables, and commit both")
    return lines


def tell_value(figure: Figure) -> str:
    """Four significant digits and the unit."""
    if figure.value is None:
        return "not measured"
    return f"{figure.value:,.4g} {figure.unit}".strip()


def tell_bar(figure: Figure) -> str:
    """Such as `at least 0.85`."""
    bars = (("at least", figure.at_least), ("at most", figure.at_most))
    return ", ".join(f"{word} {bar:g}" for word, bar in bars if bar is not None)
