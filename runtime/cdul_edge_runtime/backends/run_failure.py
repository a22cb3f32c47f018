"""Why a run did not end, whatever library ran it: one line."""

from __future__ import annotations

from cdul_edge_runtime.errors import DeviceError
from cdul_edge_runtime.host.memory_errors import tells_of_memory


def explain_failure(
    name: str, shape: tuple[int, ...], error: Exception, said: str | None = None
) -> DeviceError:
    """One line for a run that the device did not finish.

    Args:
        name: of the backend.
        shape: (N, H, W, 3) of the batch.
        error: what the library raised.
        said: its words, where those of `error` say more than the user needs.
    """
    said = " ".join((said or str(error)).split())
    count = "1 picture" if shape[0] == 1 else f"{shape[0]} pictures"
    pictures = f"a batch of {count} of {shape[1]}x{shape[2]} px"
    if isinstance(error, MemoryError) or tells_of_memory(said):
        return DeviceError(
            f"{name} has not enough memory for {pictures} ({said[:300]}): "
            "use a smaller batch, or end what else uses this device"
        )
    return DeviceError(f"{name} failed on {pictures} ({said[:300]})")
