"""What OpenVINO says of itself and of the devices that it sees."""

from __future__ import annotations

from importlib.util import find_spec

from cdul_edge.front.machine_facts import ask_python

# Its plugins load drivers, and one that is damaged may end the process: one of its own does.
_ASK = """
import json
from cdul_edge_runtime.backends.openvino.library import import_openvino, new_core
from cdul_edge_runtime.backends.openvino.units import describe_unit, version_of
from cdul_edge_runtime.errors import CdulEdgeError
try:
    openvino = import_openvino()
    core = new_core()
    units = {unit: describe_unit(core, unit) for unit in core.available_devices}
    facts = {"version": version_of(openvino), "units": units}
except (CdulEdgeError, RuntimeError) as error:
    facts = {"error": " ".join(str(error).split())}
print(json.dumps(facts))
"""


def judge_openvino() -> str:
    """Whether it runs bundles here, and on what, or what to install."""
    if find_spec("openvino") is None:
        return 'no: OpenVINO is not installed (pip install "cdul-edge[openvino]")'
    answer = ask_python(_ASK)
    units = answer.facts.get("units")
    if not isinstance(units, dict):
        return f"no: {answer.facts.get('error', answer.error)}"
    named = ", ".join(_describe(unit, about) for unit, about in units.items())
    return f"yes, with OpenVINO {answer.facts.get('version')} on {named or 'nothing'}"


def _describe(unit: str, about: tuple[str, list[str]]) -> str:
    name, capabilities = about
    computes = [kind for kind in ("BF16", "FP16", "INT8") if kind in capabilities]
    return f"{unit} ({', '.join([name, *computes])})"
