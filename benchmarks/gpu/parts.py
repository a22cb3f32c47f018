"""A step made of parts, each of which may fail without costing the others."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence

from benchmarks.gpu.step import Context, Outcome

Part = Callable[[], Outcome]


def run_parts(context: Context, parts: Mapping[str, Part], notes: Sequence[str] = ()) -> Outcome:
    """Run parts in order and keep what each found; one that raises becomes a failure.

    Args:
        context: of the step.
        parts: by name; a figure's name gets its part's in front.
        notes: what has no part, and why.
    """
    found = Outcome(notes=tuple(notes))
    for name, part in parts.items():
        print(f"== {name}", flush=True)
        try:
            found = _join(found, name, part())
        except Exception as error:  # noqa: BLE001 (whatever a GPU nobody saw before makes of it)
            traceback.print_exc()
            why = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            found = _join(found, name, Outcome(failures=(why,)))
        context.keep(found)
    return found


def _join(found: Outcome, name: str, part: Outcome) -> Outcome:
    figures = tuple(one.named(f"{name}: {one.name}") for one in part.figures)
    return Outcome(
        figures=(*found.figures, *figures),
        failures=(*found.failures, *(f"{name}: {one}" for one in part.failures)),
        notes=(*found.notes, *(f"{name}: {one}" for one in part.notes)),
        details={**found.details, name: part.details} if part.details else found.details,
    )
