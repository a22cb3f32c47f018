"""What was passed over on the way to a choice, in words."""

from __future__ import annotations

from pathlib import Path

from cdul_edge_runtime.backends.ort.failures import NEEDS_DRIVER
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import ENGINE_FLAVORS, Device
from cdul_edge_runtime.device_choice import Auto, DeviceChoice
from cdul_edge_runtime.run_order import ACCURACY_ONLY

Passed = tuple[Device, Precision, str]  # with the reason

# Why nobody expects an accelerator here: not worth a word when the CPU fails.
NO_ENGINE, NO_DRIVER = "no engine was built", "no NVIDIA driver here"


def explain_refusal(
    bundle: Path,
    device: DeviceChoice | Auto,
    precision: Precision | Auto,
    passed: list[Passed],
) -> str:
    """Why nothing fits the request, and what to do about it, in one line."""
    wanted = f" in {precision.value}" if isinstance(precision, Precision) else ""
    where = "any device" if device == "auto" else device
    hint = ""
    if device == "auto" and ("cpu", precision) in ACCURACY_ONLY:
        hint = "; device cpu runs it slowly, good for checking its accuracy"
    reasons = {why for _, _, why in passed}
    if device != "auto" and NO_DRIVER in reasons:
        hint = f"; {NEEDS_DRIVER}"
    elif device != "auto" and NO_ENGINE in reasons:
        flavor = ENGINE_FLAVORS[device.kind]
        hint = f"; build with `cdul-edge build {bundle} --flavor {flavor}`"
    return f"{bundle} cannot run{wanted} on {where}: {list_passed(passed)}{hint}"


def list_passed(passed: list[Passed]) -> str:
    """A reason that several share stands once."""
    reasons: dict[str, dict[Device, list[str]]] = {}
    for device, precision, why in passed:
        reasons.setdefault(why, {}).setdefault(device, []).append(precision.value)
    found = []
    for why, pairs in reasons.items():
        named = ", ".join(f"{device} {'/'.join(files)}" for device, files in pairs.items())
        found.append(f"{named}: {why}")
    return "; ".join(found)
