"""Labels that are there now, told to a broker of MQTT, and to Home Assistant in its words."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.streams.outputs.mqtt_address import MqttAddress, topic_level, unique_id
from cdul_edge_runtime.streams.outputs.output import Say
from cdul_edge_runtime.streams.row_json import to_json
from cdul_edge_runtime.streams.rows import Appeared, Gone, Row, Status

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_KEEP_ALIVE_S = 15  # a broker tells of a watch that was killed after 1.5 times as long
_WAITS_S = (1, 30)  # between two tries to connect, doubled from the first to the second
_GOODBYE_S = 0.4
_ONLINE, _OFFLINE = "online", "offline"


class MqttOutput:
    """Publishes what appears and goes. A broker that is away never holds up the watch.

    Under the prefix of the address:

    - `status`: "online", retained; "offline" when the watch stops, and as its last will.
    - `STREAM/status`: "online" while the stream is connected, retained.
    - `STREAM/LABEL`: "ON" or "OFF", retained.
    - `events`: rows of what appears, goes, or changes its state, as JSON; not retained.

    Home Assistant finds a binary sensor for each stream and label. All states are published again
    whenever a connection is made, so everything goes with quality of service 0: a message that was
    kept over a loss would arrive after newer ones.
    """

    def __init__(
        self, address: MqttAddress, streams: Iterable[str], labels: Iterable[str], say: Say
    ) -> None:
        """Begin to connect, in a thread of its own.

        Args:
            address: the broker.
            streams: names of all streams.
            labels: names of all classes that may appear.
            say: told in one line when the connection is made and lost; called from that thread.

        Raises:
            MissingExtraError: paho-mqtt is not installed.
            CdulEdgeError: the file of certificates holds none.
        """
        with extra_imports("mqtt", "MQTT"):
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        self._address = address
        self._say = say
        self._lock = threading.Lock()  # of what follows; the client's thread reads it
        self._labels = {
            (stream, label): "OFF" for stream in sorted(set(streams)) for label in labels
        }
        self._streams = dict.fromkeys(sorted({stream for stream, _ in self._labels}), _OFFLINE)
        self._connected = self._refused = False
        self._told: str | None = None
        self._gone = threading.Event()
        self._client: Client | None = Client(CallbackAPIVersion.VERSION2)
        self._connect(self._client)

    @property
    def lost(self) -> int:
        """Always 0: states are published again when the broker is back."""
        return 0

    def write(self, row: Row) -> None:
        """Publish what the row changes; nothing here waits for the network."""
        if not isinstance(row, Appeared | Gone | Status):
            return
        with self._lock:
            for topic, payload in self._note(row):
                self._publish(topic, payload, retain=True)
            self._publish("events", to_json(row), retain=False)

    def close(self) -> None:
        """Say goodbye, within half a second, and publish that the watch is offline."""
        client, self._client = self._client, None
        if client is None:
            return
        with self._lock:
            connected = self._connected
            if connected:
                status = f"{self._address.prefix}/status"
                goodbye = client.publish(status, _OFFLINE, retain=True)
        if connected:
            with suppress(RuntimeError, ValueError):  # the connection was lost meanwhile
                goodbye.wait_for_publish(_GOODBYE_S)
        client.disconnect()
        if connected:
            self._gone.wait(_GOODBYE_S)

    def _connect(self, client: Client) -> None:
        address = self._address
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.tls:
            try:
                client.tls_set(None if address.ca is None else str(address.ca))
            except (ssl.SSLError, OSError) as error:
                raise CdulEdgeError(
                    f"ca={address.ca} of the broker's address holds no certificates in PEM"
                ) from error
        client.will_set(f"{address.prefix}/status", _OFFLINE, retain=True)
        client.reconnect_delay_set(*_WAITS_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.connect_async(address.host, address.port, keepalive=_KEEP_ALIVE_S)
        client.loop_start()

    def _note(self, row: Appeared | Gone | Status) -> list[tuple[str, str]]:
        """Remember the states that a row changes; their topics and payloads."""
        if isinstance(row, Status):
            self._streams[row.stream] = _ONLINE if row.state == "connected" else _OFFLINE
            return [(f"{topic_level(row.stream)}/status", self._streams[row.stream])]
        key = row.stream, row.label
        self._labels[key] = "ON" if isinstance(row, Appeared) else "OFF"
        return [(_label_topic(*key), self._labels[key])]

    def _publish(self, topic: str, payload: str, *, retain: bool) -> None:
        if self._connected and self._client is not None:
            # bytes of a name that are no UTF-8 become JSON's own escape for them, \udcXX
            content = payload.encode("utf-8", "backslashreplace")
            self._client.publish(f"{self._address.prefix}/{topic}", content, retain=retain)

    def _publish_everything(self, client: Client) -> None:
        for stream, label in self._labels if self._address.discovery else ():
            name = unique_id(self._address.prefix, stream, label)
            topic = f"{self._address.discovery}/binary_sensor/{name}/config"
            client.publish(topic, self._describe(name, stream, label), retain=True)
        for (stream, label), state in self._labels.items():
            self._publish(_label_topic(stream, label), state, retain=True)
        for stream, state in self._streams.items():
            self._publish(f"{topic_level(stream)}/status", state, retain=True)
        self._publish("status", _ONLINE, retain=True)

    def _describe(self, name: str, stream: str, label: str) -> str:
        prefix = self._address.prefix
        content = {
            "name": label,
            "unique_id": name,
            "state_topic": f"{prefix}/{_label_topic(stream, label)}",
            "availability": [
                {"topic": f"{prefix}/status"},
                {"topic": f"{prefix}/{topic_level(stream)}/status"},
            ],
            "availability_mode": "all",
            "device": {
                "identifiers": [unique_id(prefix, stream)],
                "name": stream,
                "manufacturer": "cdul-edge",
            },
            "origin": {"name": "cdul-edge"},
        }
        return json.dumps(content)

    def _on_connect(
        self,
        client: Client,
        userdata: None,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._refused = reason.is_failure
        if reason.is_failure:
            self._tell(f"{self._address} refused the connection ({reason}); it is tried again")
            return
        with self._lock:
            self._connected = True
            self._publish_everything(client)
        self._tell(f"{self._address} is connected")

    def _on_connect_fail(self, client: Client, userdata: None) -> None:
        error = sys.exc_info()[1]  # which the client is handling just now
        reason = f" ({error})" if error is not None else ""
        self._tell(
            f"{self._address} cannot be reached{reason}; it is tried again, and the watch goes on"
        )

    def _on_disconnect(
        self,
        client: Client,
        userdata: None,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._lock:
            was, self._connected = self._connected, False
            refused, self._refused = self._refused, False
        if self._client is None:
            self._gone.set()
        elif was:
            self._tell(f"the connection to {self._address} was lost ({reason}); it is tried again")
        elif not refused:
            self._tell(
                f"{self._address} does not answer as a broker does; it is tried again: check its "
                "port, and write mqtts:// for one with TLS"
            )

    def _tell(self, line: str) -> None:
        """Say a line, but not twice in a row: a broker may be away for days."""
        if line != self._told and self._client is not None:
            self._told = line
            self._say(line)


def _label_topic(stream: str, label: str) -> str:
    # no label is called `status` there: its topic would be that of its stream
    level = topic_level(label)
    return f"{topic_level(stream)}/{'%73tatus' if level == 'status' else level}"
