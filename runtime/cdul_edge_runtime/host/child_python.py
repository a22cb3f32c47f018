"""Starting Python processes that import nothing from the current folder.

A user's json.py or random.py there must neither break this program nor be run by it. `python -c`
and `python -m` put the current folder first on the import path, `-P` exists from 3.11 on, and `-I`
loses the user's packages. So a child runs a file of ours, which at once takes over the path that
this process imports from, without the current folder.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

_OURS = ("cdul_edge", "cdul_edge_export", "cdul_edge_calibration", "cdul_edge_runtime")


def child_command(code: str, *arguments: str) -> list[str]:
    """The command of a Python process that runs `code` with `sys.argv[1:]` set to `arguments`.

    Start it with `env=child_environment()`.
    """
    path = safe_path()
    flags = ["-P"] if sys.version_info >= (3, 11) else []
    main = str(Path(__file__).with_name("child_main.py"))
    return [sys.executable, *flags, main, str(len(path)), *path, code, *arguments]


def module_command(module: str, *arguments: str) -> list[str]:
    """The same for a module, which runs as with `python -m`."""
    code = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return child_command(code, *arguments)


def child_environment() -> dict[str, str]:
    """This process's environment, in which no Python, grandchildren too, looks here for modules."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # 3.11 and later
    if "PYTHONPATH" in environment:
        here = _current_folder()
        named = filter(None, environment["PYTHONPATH"].split(os.pathsep))
        kept = [entry for entry in named if os.path.realpath(entry) != here]
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept))
    return environment


def safe_path() -> list[str]:
    """Where this process imports from, absolute and without the current folder.

    Where our own packages lie in the current folder, as in a checkout, it comes last: they are
    found there, and no standard module is.
    """
    here = _current_folder()
    if here in {os.path.realpath(path) for path in sysconfig.get_paths().values()}:
        here = None  # Python's own library
    # not `Path.resolve`: a virtual environment is found by the links in its path
    path = [os.path.abspath(entry) for entry in sys.path if entry]  # noqa: PTH100
    safe = list(dict.fromkeys(entry for entry in path if os.path.realpath(entry) != here))
    return [*safe, here] if here is not None and here in _own_folders() else safe


def _own_folders() -> set[str]:
    modules = (sys.modules.get(name) for name in _OURS)
    files = (getattr(module, "__file__", None) for module in modules)
    return {os.path.realpath(Path(file).parents[1]) for file in files if file}


def _current_folder() -> str | None:
    try:
        return os.path.realpath(Path.cwd())
    except OSError:  # it was removed
        return None
