"""Parameters of the node, with what `ros2 param describe` says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.labels.smoothing import Smoothing

Value = bool | int | float | str
_USUAL = Smoothing()

PARAMETERS: dict[str, tuple[Value, str]] = {
    "bundle": ("", "Folder of the bundle."),
    "device": ("auto", 'Where it runs, such as "cpu", "cuda", or "tensorrt".'),
    "precision": ("auto", 'Such as "fp32", "fp16", or "int8".'),
    "threads": (1, "CPU threads within one operator."),
    "rate": (0.0, "Most frames a second; 0.0 answers every frame that it can."),
    "timeout": (5.0, "Seconds without an image after which labels are gone."),
    "compressed": (False, "Whether the images are sensor_msgs/CompressedImage."),
    "all_scores": (False, "Whether messages hold every class, and not only what is there."),
    "smooth": (True, "Whether labels are smoothed over time."),
    "average": (_USUAL.average_s, "Time constant of the average of the logits, in seconds."),
    "enter": (_USUAL.enter, "Logits above its threshold at which a label appears."),
    "leave": (_USUAL.leave, "Logits below its threshold at which a label goes."),
    "appear": (_USUAL.appear_s, "Seconds for which a label must stay above before it appears."),
    "gone": (_USUAL.gone_s, "Seconds for which it must stay below before it is gone."),
    "autostart": (True, "Whether the node configures and activates itself."),
}


@dataclass(frozen=True)
class Settings:
    """What the parameters say; see `PARAMETERS`."""

    bundle: str
    device: str
    precision: str
    threads: int
    rate: float | None
    timeout_s: float
    compressed: bool
    all_scores: bool
    smoothing: Smoothing | None

    @classmethod
    def read(cls, value: Callable[[str], Value]) -> Settings:
        """Read each parameter by its name.

        Raises:
            CdulEdgeError: no bundle is named, or a number is out of range.
        """
        bundle = str(value("bundle"))
        if not bundle:
            raise CdulEdgeError(
                "the parameter bundle is empty: give its folder, as in --ros-args -p bundle:=FOLDER"
            )
        smoothing = Smoothing(
            average_s=float(value("average")),
            enter=float(value("enter")),
            leave=float(value("leave")),
            appear_s=float(value("appear")),
            gone_s=float(value("gone")),
        )
        return cls(
            bundle=bundle,
            device=str(value("device")),
            precision=str(value("precision")),
            threads=int(value("threads")),
            rate=float(value("rate")) or None,
            timeout_s=float(value("timeout")),
            compressed=bool(value("compressed")),
            all_scores=bool(value("all_scores")),
            smoothing=smoothing if value("smooth") else None,
        )
