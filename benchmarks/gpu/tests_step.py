"""Step (a): `pytest -m gpu`, in this process, with a line kept for every test that ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

from benchmarks.gpu.roots import ROOT
from benchmarks.gpu.step import Context, Figure, Outcome, Setting, Step
from cdul_edge_runtime.backends.trt.library import MODULES

_PLUGINS = ("randomly", "benchmark", "cacheprovider")  # not wanted, whether installed or not
_NO_GPU = "no CUDA device: --device cpu"


@dataclass(eq=False)  # pytest keeps its plugins in a set
class TestLog:
    """A pytest plugin: what became of each test so far."""

    context: Context
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    running: str | None = None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """On a CPU, see that every test can be collected, and run none."""
        import pytest

        if self.context.device == "cpu":
            for item in items:
                item.add_marker(pytest.mark.skip(reason=_NO_GPU))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note what runs, so that a crash has a name."""
        self.running = nodeid
        self.context.keep(self.outcome())

    def pytest_runtest_logreport(self, report: Any) -> None:
        """One phase of a test ended."""
        name = report.nodeid
        if report.failed:
            self.failed[name] = _last_line(report.longreprtext)
        elif report.skipped:
            self.skipped[name] = _reason(report)
        elif report.when == "call":
            self.passed.append(name)

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be collected counts as a failed test."""
        if report.failed:
            self.failed[report.nodeid] = _last_line(report.longreprtext)

    def pytest_runtest_logfinish(self) -> None:
        """The test ended."""
        self.running = None

    def outcome(self) -> Outcome:
        """Counts, and the names of what failed or was left out."""
        counts = [
            Figure("tests passed", len(self.passed), at_least=1 if self.context.full else None),
            Figure("tests failed", len(self.failed), at_most=0),
            Figure("tests skipped", len(self.skipped)),
        ]
        stopped = (f"{self.running}: was running",) if self.running else ()
        failures = tuple(f"{name}: {why}" for name, why in self.failed.items())
        reasons = Counter(self.skipped.values())
        notes = tuple(f"skipped {count} tests: {why}" for why, count in reasons.items())
        details = {"passed": list(self.passed), "skipped": dict(self.skipped)}
        return Outcome(tuple(counts), (*failures, *stopped), notes, details)


def run(context: Context) -> Outcome:
    """Run the tests that are marked `gpu`, and `tensorrt` where that or the one for RTX is here."""
    builders = [modules[0] for modules in MODULES.values()]
    marks = ["gpu", *(["tensorrt"] if any(map(find_spec, builders)) else [])]
    return run_tests(context, " or ".join(marks), find_files(*marks))


def run_tests(context: Context, marks: str, files: Sequence[str]) -> Outcome:
    """Run the tests of some files that a mark expression selects."""
    import pytest

    log = TestLog(context)
    # The environment is not ours: its warnings are none of our faults, its plugins may be absent.
    words = ["-q", "-m", marks, "-W", "default", "--durations=10"]
    words += ["--continue-on-collection-errors", "--rootdir", str(ROOT)]
    words += ["--basetemp", str(context.folder / "tests")]
    words += [word for name in _PLUGINS for word in ("-p", f"no:{name}")]
    code = pytest.main([*words, *files], plugins=[log])
    outcome = log.outcome()
    if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return outcome
    ended = f"pytest ended with status {int(code)}"
    return replace(outcome, failures=(*outcome.failures, ended))


def find_files(*marks: str) -> list[str]:
    """Test files with one of the marks: the others may need what is not installed here."""
    wanted = [f"pytest.mark.{mark}" for mark in marks]
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    texts = ((file, file.read_text(encoding="utf-8")) for file in files)
    return [str(file) for file, text in texts if any(mark in text for mark in wanted)]


def needs(setting: Setting) -> str | None:
    """pytest."""
    return None if find_spec("pytest") else "pytest is not installed"


def _reason(report: Any) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", report.longrepr))


def _last_line(text: str) -> str:
    """What a failed test's last line with an error says."""
    lines = [line for line in text.splitlines() if line.startswith("E ")] or text.splitlines()
    return " ".join(lines[0].removeprefix("E").split())[:300] if lines else "no message"


STEP = Step(
    name="tests",
    title="every test that needs a GPU (`pytest -m gpu`)",
    needs=needs,
    seconds=85,
    quick_seconds=15,
    run=run,
)
