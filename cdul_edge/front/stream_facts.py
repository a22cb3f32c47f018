"""What `watch` can read and publish here."""

from __future__ import annotations

from cdul_edge.front.machine_facts import ask_python

# These libraries load drivers and plugins, and one that is damaged may end the process.
_ASK = """
import json
from importlib import import_module
from cdul_edge_runtime.errors import extra_imports
sources = "cdul_edge_runtime.streams.sources."
modules = {
    "watch videos, cameras": sources + "video.av_source",
    "watch gst:": sources + "gstreamer.gst_source",
    "watch bag:": sources + "ros.bag_source",
    "watch --mqtt": "paho.mqtt.client",
}
works = {}
for name, module in modules.items():
    try:
        with extra_imports("mqtt", "MQTT"):
            import_module(module)
        works[name] = "yes"
    except Exception as error:
        works[name] = "no: " + " ".join(str(error).split())
print(json.dumps(works))
"""


def judge_streams() -> dict[str, str]:
    """By what is asked of `watch`: "yes", or "no" with the reason and the fix."""
    answer = ask_python(_ASK)
    if answer.error is not None:
        return {"watch": f"no: {answer.error}"}
    return {name: str(works) for name, works in answer.facts.items()}
