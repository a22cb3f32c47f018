"""`cdul-edge watch` on loopback cameras: what a broker hears when one of them goes."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cdul_edge import cli
from cdul_edge_runtime.host.child_python import child_environment, module_command
from tests.fakes.mqtt_broker import Subscriber, mqtt_broker
from tests.fakes.rtsp_camera import rtsp_camera

RED = np.full((2, 240, 320, 3), (255, 0, 0), np.uint8)


def test_a_camera_that_goes_is_off_and_offline_and_the_other_stays(
    bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    pytest.importorskip("paho.mqtt")
    out = tmp_path / "rows.jsonl"
    with (
        mqtt_broker(tmp_path) as broker,
        Subscriber(broker) as listener,
        rtsp_camera({"a": RED}, clock=False, login=("me", "sesame")) as door,
        rtsp_camera({"b": RED}, clock=False) as yard,
    ):
        command = module_command(
            *(cli.__name__, "watch", str(bundle), "--out", str(out), "--mqtt", broker.url()),
            *("--timeout", "60"),
            f"door={door.url('a', login=('me', 'sesame'))}",
            f"yard={yard.url('b')}",
        )
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=child_environment()
        ) as process:
            for stream in ("door", "yard"):
                listener.wait_for(f"cdul-edge/{stream}/red", "ON")
                listener.wait_for(f"cdul-edge/{stream}/status", "online")
            door.kill()
            listener.wait_for("cdul-edge/door/red", "OFF")
            listener.wait_for("cdul-edge/door/status", "offline")
            assert listener.seen["cdul-edge/yard/red"] == "ON"
            door.start()
            listener.wait_for("cdul-edge/door/red", "ON")
            process.send_signal(signal.SIGTERM)
            listener.wait_for("cdul-edge/status", "offline")
            assert process.wait() == 0
            assert listener.seen["cdul-edge/yard/red"] == "OFF"
            assert process.stderr
            told = process.stderr.read().decode()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    ends = [(row["stream"], row["reason"]) for row in rows if row["type"] == "gone"]
    assert ends[0] == ("door", "lost")
    assert sorted(ends[1:]) == [("door", "stopped"), ("yard", "stopped")]
    assert {row["id"] for row in rows if row["type"] == "appeared"} == {
        row["id"] for row in rows if row["type"] == "gone"
    }
    assert "sesame" not in told + out.read_text()
