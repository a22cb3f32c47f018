"""In which order files are tested, by as many processes as there are.

The files that take longest come first, so that none of them is begun when all other processes have
nothing left to do. xdist itself goes by the number of a file's tests.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Protocol, TypeVar

LONGEST = """
cli/test_demo.py study/test_study.py cli/test_export.py cli/test_train.py test_old_versions.py
reporting/test_report_in_a_browser.py cli/test_force.py labelling/engines/test_ray.py
labelling/test_interruption.py front/test_readme_python.py export/test_onnx_export.py
export/engines/test_engine.py export/test_nvidia_reads.py export/test_timm_export.py
benchmarks/test_real_world.py training/ranks/test_torchrun.py cli/test_study.py
hub/test_push_pull.py test_damaged_files.py cli/test_explain.py page/test_parts_in_a_browser.py
reviewing/test_review_in_a_browser.py training/test_every_method.py
""".split()
_FOLDER = Path(__file__).parent


class _Item(Protocol):
    @property
    def path(self) -> Path: ...


Item = TypeVar("Item", bound=_Item)


def sort_longest_first(items: list[Item]) -> None:
    """Sort by file: `LONGEST`, and then those of many tests before those of few."""
    tests = Counter(item.path for item in items)
    ranks = {_FOLDER / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get(item.path, len(ranks)), -tests[item.path]))
