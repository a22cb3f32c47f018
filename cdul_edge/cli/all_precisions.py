"""What `export --trt` adds to `export`: calibration, and engines where they can be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge.cli.output.result_console import message_console
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.pictures.images import PictureList


def find_obstacle() -> CdulEdgeError | None:
    """Why no engine can be built here, said at once.

    None where TensorRT and a GPU answer, or TensorRT for RTX is installed, which needs none.
    """
    from cdul_edge_export.engines.engine_target import choose_target

    try:
        choose_target("auto")
    except CdulEdgeError as error:
        _say(f"no engine can be built here ({error}); the ONNX files will be made")
        return error
    return None


def calibrate_and_build(
    bundle: Bundle, pictures: PictureList, obstacle: CdulEdgeError | None
) -> None:
    """Make every precision of a bundle, and an engine of each that NVIDIA's libraries use.

    Args:
        bundle: as `export` made it.
        pictures: the training pool.
        obstacle: what `find_obstacle` found.

    Raises:
        CdulEdgeError: a precision breaks the budget, an engine cannot be built, or the obstacle.
    """
    from cdul_edge.cli.build import say_engines
    from cdul_edge.cli.calibrate import report_result
    from cdul_edge_calibration import CalibrateRequest, calibrate
    from cdul_edge_export import BuildRequest, build
    from cdul_edge_runtime.host.console import StderrConsole

    console = StderrConsole(message_console())
    result = calibrate(CalibrateRequest(bundle.folder, pictures), console)
    faults = []
    try:
        report_result(result, None, to_stderr=True)
    except CdulEdgeError as refused:  # what holds the budget is built all the same
        faults.append(str(refused))
    if obstacle is None:
        try:
            say_engines(build(BuildRequest(bundle.folder), console), message_console())
        except CdulEdgeError as refused:
            faults.append(str(refused))
    else:
        faults.append(
            f"no engine was built: {obstacle}; {bundle.folder} is complete without: on the device "
            f"run `cdul-edge build {bundle.folder.name}`"
        )
    if faults:
        raise CdulEdgeError("; ".join(faults))


def _say(line: str) -> None:
    message_console().print(line)
