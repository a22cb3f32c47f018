"""A real broker hears what is there now, whoever comes late, leaves, or is killed."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.streams.outputs.mqtt import MqttOutput
from cdul_edge_runtime.streams.outputs.mqtt_address import parse_mqtt
from cdul_edge_runtime.streams.row_json import to_json
from cdul_edge_runtime.streams.rows import Row
from tests.fakes.mqtt_broker import Broker, Subscriber, mqtt_broker
from tests.fakes.stream_rows import appeared, gone, prediction, status
from tests.fakes.stream_source import PATIENCE_S

pytest.importorskip("paho.mqtt")


class Talk:
    """An output, and what it said."""

    def __init__(self, url: str, labels: tuple[str, ...] = ("red", "green")) -> None:
        self.said: list[str] = []
        self.output = MqttOutput(parse_mqtt(url), ["door"], labels, self.said.append)

    def write(self, *rows: Row) -> None:
        for row in rows:
            self.output.write(row)

    def wait_until_said(self, part: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not any(part in line for line in self.said):
            assert time.monotonic() < end_s, self.said
            time.sleep(0.01)


def require(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")


def publishing(url: str) -> subprocess.Popen[bytes]:
    """An output in a process of its own, which lasts until stdin ends."""
    program = (
        "import sys\n"
        "from cdul_edge_runtime.streams.outputs.mqtt import MqttOutput\n"
        "from cdul_edge_runtime.streams.outputs.mqtt_address import parse_mqtt\n"
        "say = lambda line: print(line, flush=True)\n"
        "output = MqttOutput(parse_mqtt(sys.argv[1]), ['door'], ['red'], say)\n"
        "sys.stdin.read()\n"
    )
    return subprocess.Popen(
        child_command(program, url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with mqtt_broker(tmp_path) as running:
        yield running


def test_home_assistant_finds_a_sensor_for_each_label_and_its_state(broker: Broker) -> None:
    talk = Talk(broker.url())
    with Subscriber(broker) as early:
        early.wait_for("cdul-edge/status", "online")
        talk.write(status(), prediction(), appeared(), appeared("green"), gone("green"))
        early.wait_for("cdul-edge/events", to_json(gone("green")))
    with Subscriber(broker) as late:  # as Home Assistant after a restart
        for topic, payload in {
            "cdul-edge/status": "online",
            "cdul-edge/door/status": "online",
            "cdul-edge/door/red": "ON",
            "cdul-edge/door/green": "OFF",
        }.items():
            late.wait_for(topic, payload)
            assert topic in late.retained
        assert "cdul-edge/events" not in late.retained
        found = [json.loads(text) for name, text in late.seen.items() if name.endswith("/config")]
    assert [sensor["name"] for sensor in found] == ["red", "green"]
    assert [sensor["state_topic"] for sensor in found] == [
        "cdul-edge/door/red",
        "cdul-edge/door/green",
    ]
    assert len({sensor["unique_id"] for sensor in found}) == 2
    assert {sensor["device"]["name"] for sensor in found} == {"door"}
    talk.output.close()


def test_when_it_stops_everything_is_off_and_offline(broker: Broker) -> None:
    talk = Talk(broker.url(prefix="/home/garage"))
    with Subscriber(broker) as listener:
        listener.wait_for("home/garage/status", "online")
        talk.write(status(), appeared(), gone(reason="stopped"), status("stopped"))
        talk.output.close()
        listener.wait_for("home/garage/status", "offline")
        assert listener.seen["home/garage/door/red"] == "OFF"
        assert listener.seen["home/garage/door/status"] == "offline"
    talk.output.close()


def test_the_broker_itself_says_offline_of_one_that_was_killed(broker: Broker) -> None:
    with Subscriber(broker) as listener, publishing(broker.url()) as process:
        listener.wait_for("cdul-edge/status", "online")
        process.send_signal(signal.SIGKILL)
        listener.wait_for("cdul-edge/status", "offline")


def test_a_broker_that_is_away_holds_nothing_up_and_hears_the_newest_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdul_edge_runtime.streams.outputs.mqtt._WAITS_S", (0.1, 0.2))
    broker = Broker(tmp_path)
    talk = Talk(broker.url())
    began_s = time.monotonic()
    talk.write(status(), appeared(), appeared("green"), gone("green"))
    assert time.monotonic() - began_s < 10
    talk.wait_until_said("cannot be reached (")
    for _ in range(2):  # at first, and once more after it was lost
        broker.start()
        with Subscriber(broker) as listener:
            listener.wait_for("cdul-edge/door/red", "ON")
            listener.wait_for("cdul-edge/status", "online")
            assert listener.seen["cdul-edge/door/green"] == "OFF"
        broker.stop()
        talk.wait_until_said("was lost (")
    assert sum("cannot be reached" in line for line in talk.said) <= 2
    began_s = time.monotonic()
    talk.output.close()
    assert time.monotonic() - began_s < 10


def test_a_wrong_password_is_said_without_it_and_asked_again(tmp_path: Path) -> None:
    require("mosquitto_passwd")
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "me", "p@ss"],
        check=True,
        capture_output=True,
    )
    passwords.chmod(0o644)
    lines = ("allow_anonymous false", f"password_file {passwords}")
    with mqtt_broker(tmp_path, lines) as broker:
        wrong = Talk(broker.url("me:sesame@"))
        wrong.wait_until_said("refused the connection (Not authorized)")
        right = Talk(broker.url("me:p%40ss@"))
        right.wait_until_said("is connected")
        for talk in (wrong, right):
            talk.output.close()
            assert not any(word in line for line in talk.said for word in ("sesame", "p@ss", "me:"))


def test_what_is_no_broker_is_said_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        talk = Talk(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        for _ in range(2):
            with server.accept()[0] as visitor:
                assert visitor.recv(1)
                visitor.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        talk.wait_until_said("does not answer as a broker does; it is tried again")
        talk.output.close()
    assert len(talk.said) == 1


def test_a_certificate_that_nobody_trusts_is_said(tmp_path: Path) -> None:
    require("openssl")
    for name in ("ours", "other"):
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 "
            f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1 "
            f"-keyout {name}.key -out {name}.pem",
            shell=True,
            check=True,
            capture_output=True,
            cwd=tmp_path,
        )
    (tmp_path / "ours.key").chmod(0o644)
    lines = (
        "allow_anonymous true",
        f"certfile {tmp_path}/ours.pem",
        f"keyfile {tmp_path}/ours.key",
    )
    with mqtt_broker(tmp_path, lines) as broker:
        url = broker.url().replace("mqtt://", "mqtts://")
        trusted = Talk(f"{url}?ca={tmp_path}/ours.pem")
        trusted.wait_until_said("is connected")
        trusted.output.close()
        # in a process of its own: the client leaves the socket to Python, which warns
        with publishing(f"{url}?ca={tmp_path}/other.pem") as process:
            assert process.stdout
            assert b"certificate verify failed" in process.stdout.readline()
            process.kill()


def test_text_that_is_no_utf8_is_published_with_escapes(broker: Broker) -> None:
    talk = Talk(broker.url())
    with Subscriber(broker) as listener:
        listener.wait_for("cdul-edge/status", "online")
        lost = replace(status("failed"), reason="caf\udce9.mp4: there is no such file")
        talk.write(lost)
        published = to_json(lost).replace("\udce9", "\\udce9")
        listener.wait_for("cdul-edge/events", published)
        assert json.loads(published)["reason"] == lost.reason
    talk.output.close()


def test_odd_names_keep_their_topics_apart(broker: Broker) -> None:
    labels = ("status", "TV/monitor", "TV monitor", "a+b#", "größe", "100 %")
    talk = Talk(broker.url(), labels)
    topics = ("%73tatus", "TV%2Fmonitor", "TV monitor", "a%2Bb%23", "größe", "100 %25")
    with Subscriber(broker) as listener:
        listener.wait_for("cdul-edge/status", "online")
        for label, topic in zip(labels, topics, strict=True):
            talk.write(appeared(label))
            listener.wait_for(f"cdul-edge/door/{topic}", "ON")
        configs = {name for name in listener.seen if name.startswith("homeassistant/")}
        assert len(configs) == len(labels)
        assert all(name.replace("/", "").replace("_", "").isalnum() for name in configs)
        assert all(name.isascii() for name in configs)
    talk.output.close()
