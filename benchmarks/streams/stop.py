"""SIGTERM to `cdul-edge watch` while its camera is well, away, or frozen."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measured_rows.figures import Measured, at_most
from benchmarks.streams.bundles import small_bundle
from benchmarks.streams.cameras import cameras
from benchmarks.streams.row import Setting
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.rtsp_camera import Camera

TIMEOUT_S = 2.0
_MOST_S = {"healthy": 0.5, "retrying": 0.5, "frozen": TIMEOUT_S + 1}


def measure_stop(setting: Setting) -> Measured:
    """From the signal to the end of the process, once a round each."""
    bundle = small_bundle(setting)
    found: dict[str, list[float]] = {name: [] for name in _MOST_S}
    with cameras() as camera:
        for _ in range(setting.rounds):
            for name, values in found.items():
                values.append(_stop(bundle, camera, name))
                camera.restart()
    figures = (
        at_most(_MOST_S[name], name, f"SIGTERM, camera {name}, exit status 0", "s", *values)
        for name, values in found.items()
    )
    return Measured(tuple(figures), (f"the time-out is {TIMEOUT_S:g} s",))


def _stop(bundle: Path, camera: Camera, state: str) -> float:
    command = [sys.executable, "-m", "cdul_edge.cli", "watch", str(bundle), f"cam0={camera.url()}"]
    command += ["--json", "--timeout", f"{TIMEOUT_S:g}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _wait_for(process, "connected")
        if state == "retrying":
            camera.kill()
            _wait_for(process, "lost")
        if state == "frozen":
            camera.freeze()
            time.sleep(0.5)  # what was on its way has come
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        status = process.wait()
        took_s = time.monotonic() - begun_s
    if status != 0:
        raise CdulEdgeError(f"cdul-edge watch ended with status {status}, camera {state}")
    return took_s


def _wait_for(process: subprocess.Popen[str], state: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        row = json.loads(line)
        if row["type"] == "status" and row["state"] == state:
            return
    raise CdulEdgeError(f"cdul-edge watch ended before it said {state!r}")
