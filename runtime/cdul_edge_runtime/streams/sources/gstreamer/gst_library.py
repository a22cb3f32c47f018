"""GStreamer's Python bindings: from this environment, or else the system's.

Distributions package `gi` for their own Python, beside much else that would shadow the packages of
a virtual environment. So `sys.path` stays as it is: where this Python is of the system's version,
the package `gi` alone is loaded from there.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import warnings
from pathlib import Path

from cdul_edge_runtime.errors import MissingExtraError

PACKAGES = "python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good gstreamer1.0-libav"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_SYSTEM = (
    Path("/usr/lib/python3/dist-packages/gi"),  # Debian, Ubuntu
    Path(f"/usr/lib64/python{_VERSION}/site-packages/gi"),  # Fedora, openSUSE
    Path(f"/usr/lib/python{_VERSION}/site-packages/gi"),  # Arch, Alpine
)


def system_gi(folders: tuple[Path, ...] = _SYSTEM) -> Path:
    """The folder of the system's package `gi`, for this version of Python.

    Raises:
        MissingExtraError: there is none, or none for this version.
    """
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    there = [folder for folder in folders if folder.is_dir()]
    for folder in there:
        if (folder / f"_gi{suffix}").is_file():
            return folder
    if there:
        raise MissingExtraError(
            f"gst: pipelines need gi for Python {_VERSION}, and {there[0]} is for another "
            "version: make the virtual environment with /usr/bin/python3, or pip install "
            "PyGObject into this one"
        )
    raise MissingExtraError(
        "gst: pipelines need GStreamer and its Python bindings, which are not installed: "
        f"apt-get install {PACKAGES}"
    )


def _load_gi() -> None:
    """Make `import gi` work."""
    if "gi" in sys.modules or importlib.util.find_spec("gi") is not None:
        return
    folder = system_gi()
    spec = importlib.util.spec_from_file_location(
        "gi", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["gi"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gi warns of how it imports its own parts
    _load_gi()
    import gi

    try:
        gi.require_version("Gst", "1.0")
        gi.require_version("GstVideo", "1.0")
        from gi.repository import GLib, Gst, GstVideo
    except (ValueError, ImportError) as error:
        raise MissingExtraError(
            f"gst: pipelines need GStreamer, which gi does not find: apt-get install {PACKAGES}"
        ) from error

Gst.init(None)

__all__ = ["GLib", "Gst", "GstVideo"]
