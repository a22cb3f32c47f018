"""Which of NVIDIA's libraries load here, and whether they build and run engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from cdul_edge.front.machine_facts import Gpu, ask_python
from cdul_edge_runtime.backends.trt.library import MODULES
from cdul_edge_runtime.backends.trt.platform import holds_gpu
from cdul_edge_runtime.choices import FLAVORS, Flavor

# Importing a library that is half installed can end a process, so one of its own does.
_ASK = """
import json
from cdul_edge_runtime.backends.trt.library import import_tensorrt
from cdul_edge_runtime.errors import CdulEdgeError
try:
    library = import_tensorrt({flavor!r}, lean=True)
except CdulEdgeError as error:
    facts = {{"error": str(error)}}
else:
    members = getattr(getattr(library, "ComputeCapability", None), "__members__", ())
    gpus = [name.lower() for name in members if name.startswith("SM")]
    lean = not hasattr(library, "Builder")
    facts = {{"version": library.__version__, "lean": lean, "gpus": gpus}}
print(json.dumps(facts))
"""


@dataclass(frozen=True)
class EngineLibrary:
    """What TensorRT, or TensorRT for RTX, says of itself.

    Attributes:
        version: None where it is not installed, or does not load.
        lean: only the part of TensorRT is here that runs version-compatible engines.
        builds_for: compute capabilities such as "sm86" that it builds engines for without a GPU.
        error: why it does not load, in one line; None where it does, or is not installed.
    """

    version: str | None = None
    lean: bool = False
    builds_for: tuple[str, ...] = ()
    error: str | None = None

    @property
    def installed(self) -> bool:
        """Whether there is a module of that name, in whatever state."""
        return self.version is not None or self.error is not None

    def __str__(self) -> str:
        """One line."""
        if self.error is not None:
            return "installed, and does not load"
        return f"{self.version}{' (lean)' * self.lean}" if self.version else "not installed"

    def supports(self, gpu: Gpu, *, newer_gpus: bool = False) -> bool:
        """Whether the driver sees a GPU that engines are built for, or one that came later."""
        known = tuple(f"{name[2:-1]}.{name[-1]}" for name in self.builds_for)
        return bool(known) and any(
            holds_gpu(known, seen, newer_gpus=newer_gpus) for seen in gpu.compute_capabilities
        )


Libraries = Mapping[Flavor, EngineLibrary]


def ask_libraries() -> Libraries:
    """Import those that are installed, each in a process of its own."""
    return {flavor: _ask(flavor) for flavor in FLAVORS}


def engines_that_run(libraries: Libraries, gpu: Gpu) -> tuple[str, ...]:
    """The kinds of engines that can be run here."""
    tensorrt, kinds = libraries["tensorrt"], []
    if gpu.present and tensorrt.version is not None:
        kinds.append(f"{'version-compatible ' * tensorrt.lean}TensorRT engines")
    if libraries["rtx"].supports(gpu):
        kinds.append("TensorRT for RTX engines")
    return tuple(kinds)


def judge_tensorrt(tensorrt: EngineLibrary, gpu: Gpu) -> str:
    """Whether TensorRT builds and runs engines here, with the reason and the fix."""
    if not tensorrt.installed:
        how = "apt install python3-libnvinfer" if gpu.jetson else 'pip install "cdul-edge[trt]"'
        return f"no: TensorRT is not installed ({how})"
    if tensorrt.error is not None:
        return f"no: {tensorrt.error}"
    if not gpu.present:
        return "no: TensorRT is installed, and the driver sees no GPU"
    if tensorrt.lean:
        return "run: yes, version-compatible ones; build: no, only the lean runtime is here"
    return "yes: build and run"


def judge_rtx(rtx: EngineLibrary, gpu: Gpu) -> str:
    """The same for TensorRT for RTX, which builds without a GPU."""
    if not rtx.installed:
        if gpu.jetson:
            return "no: TensorRT for RTX is not made for Jetsons"
        return 'no: TensorRT for RTX is not installed (pip install "cdul-edge[rtx]")'
    if rtx.error is not None:
        return f"no: {rtx.error}"
    if rtx.supports(gpu):
        return "yes: build and run"
    if not gpu.present:
        run = "no, the driver sees no GPU"
    elif rtx.supports(gpu, newer_gpus=True):
        run = "engines built with --for all, as the GPU here is newer than these"
    elif gpu.compute_capabilities:
        seen = " and ".join(gpu.compute_capabilities)
        run = f"no, the GPU here, of compute capability {seen}, is none of these"
    else:
        run = "only on one of these: which GPU is here is not known"
    return f"build: yes, for {' '.join(rtx.builds_for)}, without a GPU; run: {run}"


def _ask(flavor: Flavor) -> EngineLibrary:
    if all(find_spec(module) is None for module in MODULES[flavor]):
        return EngineLibrary()
    answer = ask_python(_ASK.format(flavor=flavor))
    version, gpus = answer.facts.get("version"), answer.facts.get("gpus")
    if not isinstance(version, str):
        name = MODULES[flavor][0]
        said = answer.facts.get("error")
        crash = (
            f"{name} is installed, and importing it ends the process ({answer.error}): its "
            "libraries are damaged; install it again"
        )
        return EngineLibrary(error=said if isinstance(said, str) else crash)
    builds_for = tuple(map(str, gpus)) if isinstance(gpus, list) else ()
    return EngineLibrary(version, answer.facts.get("lean") is True, builds_for)
