"""What must be the same on every machine of a cluster for its parts to be those of one machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

from cdul_edge.clip.choices import Library
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.machine import installed_versions
from cdul_edge_runtime.pictures.resizer import resizer_name

_PACKAGES = {
    "torch": ("torch", "open_clip_torch", "numpy", "pillow", "pyarrow"),
    "openvino": ("openvino",),
    "onnx": ("onnxruntime",),
}


@dataclass(frozen=True)
class Versions:
    """Name to version, of everything that has a say in the bytes of a part."""

    found: Mapping[str, str]

    @classmethod
    def of_this_process(cls, library: Library) -> Versions:
        """Those of this Python.

        Args:
            library: what runs CLIP's image tower.
        """
        packages = dict.fromkeys((*_PACKAGES["torch"], *_PACKAGES[library]))
        installed = installed_versions(*packages)
        return cls(
            {
                "cdul-edge": __version__,
                "Python": ".".join(platform.python_version_tuple()[:2]),
                # 2.14.1+cpu and 2.14.1+cu130 are one version, built for two kinds of machines
                **{name: installed.get(name, "none").partition("+")[0] for name in packages},
                "resizer": resizer_name(),
            }
        )

    def refuse_others(self, here: Versions, where: str) -> None:
        """Raise `CdulEdgeError` naming what is another version there than in the driver.

        Args:
            here: what a machine of the cluster has.
            where: its name.
        """
        names = dict.fromkeys((*self.found, *here.found))
        differences = [
            f"{name} {here.found.get(name, 'none')} there and {self.found.get(name, 'none')} here"
            for name in names
            if here.found.get(name) != self.found.get(name)
        ]
        if differences:
            raise CdulEdgeError(
                f"{where} has other versions than this machine, and would make other parts: "
                f"{', '.join(differences)}: install the same versions on every machine"
            )
