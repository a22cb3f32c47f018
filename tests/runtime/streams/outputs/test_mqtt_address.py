"""Addresses of brokers: what they say, and that none of it is shown that is secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.outputs.mqtt_address import parse_mqtt, topic_level, unique_id


def test_everything_has_a_default_but_the_host() -> None:
    address = parse_mqtt("mqtt://broker.local")
    assert (address.host, address.port, address.tls) == ("broker.local", 1883, False)
    assert (address.user, address.password) == (None, None)
    assert (address.prefix, address.discovery) == ("cdul-edge", "homeassistant")
    assert parse_mqtt("mqtts://broker.local").port == 8883


def test_everything_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    address = parse_mqtt(f"mqtts://a%40b:p%2F%3Aw@[::1]:99/x/y/?ca={tmp_path}/ca.pem&discovery=")
    assert (address.host, address.port, address.tls) == ("::1", 99, True)
    assert (address.user, address.password) == ("a@b", "p/:w")
    assert (address.prefix, address.discovery) == ("x/y", "")
    assert address.ca == tmp_path / "ca.pem"
    assert str(address) == "mqtts://[::1]:99/x/y"
    assert "p/:w" not in repr(address)
    assert "a@b" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "broker.local",
        "http://me:sesame@host",
        "mqtt://",
        "mqtt://me:sesame@",
        "mqtt://me:sesame@host:port",
        "mqtt://me:sesame@host:99999",
        "mqtt://me:ses#ame@host",
        "mqtt://me:ses/ame@host",
        "mqtt://me:sesame@host/a+b",
        "mqtt://me:sesame@host/$SYS",
        "mqtt://me:sesame@host?sesame=1",
        "mqtt://me:sesame@host?sesame",
        "mqtts://me:sesame@host?ca=/nowhere",
        f"mqtt://me:sesame@{'a' * 70}.local",
        "mqtt://me:12/sesame@host",  # a password with a slash: the host is not `me`
        "mqtt://me:12/sesame+@host",
        "mqtt://me:12?sesame@host",
        "mqtt://me:12?discovery=sesame@host",
        "mqtts://me:12?ca=sesame@host",
        "mqtt://me:ses℀ame@host",
        "mqtt://[::1",
        f"mqtt://h/{'p' * 1001}",
    ],
)
def test_what_is_no_address_is_refused_without_its_credentials(text: str) -> None:
    with pytest.raises(CdulEdgeError, match="the address of the broker is not mqtt") as caught:
        parse_mqtt(text)
    assert "ses" not in str(caught.value)
    assert caught.value.__cause__ is None  # urllib's errors repeat the text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "me" not in str(caught.value).partition(": ")[2].replace("names", "").split()


def test_topics_take_every_name_and_tell_them_apart() -> None:
    names = ["a/b", "a%2Fb", "a b", "a+b", "a#b", "", "\0", "\udce9", "ä", "$a"]
    levels = [topic_level(name) for name in names]
    assert len(set(levels)) == len(names)
    assert not any(letter in level for level in levels for letter in "/+#\0")
    for level in levels:
        level.encode("utf-8")
    for letter in ("x", "\U0001f415", "\U0010ffff"):  # one to twelve bytes each
        long = [topic_level(letter * 70_000 + end) for end in "ab"]
        assert len(set(long)) == 2
        assert len("/".join(long).encode()) < 30_000  # of the 65,535 of a topic


def test_unique_ids_are_plain_and_tell_names_apart() -> None:
    names = [("a", "b c"), ("a", "b_c"), ("a b", "c"), ("a_b", "c"), ("ä", "犬"), ("ö", "犬")]
    ids = [unique_id(*one) for one in names]
    assert len(set(ids)) == len(names)
    assert all(one.isascii() and one.replace("_", "").isalnum() for one in ids)
    assert unique_id("a", "b c") == "a_b_c_" + ids[0].rpartition("_")[2]
    assert ids[0] == unique_id(*names[0])
