"""An exported tower is found again, whole, and only where nothing that it comes of has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.labelling.encode.exported.cached import TowerCache
from cdul_edge.labelling.encode.exported.tower import ImageTower
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.user_cache import user_cache_folder

MakeClip = Callable[[], LoadedClip]


class Recorder(SilentConsole):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    warn = say


class Stub(ImageTower):
    """Exports in no time, and counts how often."""

    exports = 0

    def export(self) -> bytes:
        self.exports += 1
        return b"a graph"


@pytest.fixture
def tower(clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Stub(clip(), "snippets")


def test_the_second_run_exports_nothing_and_says_nothing(tower: Stub) -> None:
    console, cache = Recorder(), TowerCache(tower)
    assert not cache.holds
    with cache.open("OpenVINO", console) as file:
        assert file.read_bytes() == b"a graph"
        assert file.parent == cache.folder
        assert file.stem.endswith(hashlib.sha256(b"a graph").hexdigest())
    assert console.said == [
        "exporting CLIP's image tower for OpenVINO, once",
        f"kept in {cache.folder}, 1 MiB; it may be deleted",
    ]
    again = TowerCache(tower)
    assert again.holds
    with again.open("OpenVINO", console) as same:
        assert same == file
    assert (tower.exports, len(console.said)) == (1, 2)


@pytest.mark.parametrize("content", [b"a gra", b"b graph", b""])
def test_a_damaged_file_is_made_again(tower: Stub, content: bytes) -> None:
    console, cache = Recorder(), TowerCache(tower)
    with cache.open("OpenVINO", console) as file:
        pass
    file.write_bytes(content)
    with cache.open("OpenVINO", console) as file:
        assert file.read_bytes() == b"a graph"
    assert tower.exports == 2
    assert console.said[2] == f"{file} is damaged, and is made again"


def test_what_two_processes_exported_at_once_is_both_whole(tower: Stub) -> None:
    cache = TowerCache(tower)
    with cache.open("OpenVINO", SilentConsole()) as file:
        other = b"a graph in another order"
        name = file.name.replace(file.stem[-64:], hashlib.sha256(other).hexdigest())
        (file.parent / name).write_bytes(other)
    with TowerCache(tower).open("OpenVINO", SilentConsole()) as found:
        assert found == min(file, file.parent / name)
    assert tower.exports == 1


def test_without_a_place_to_write_the_tower_is_exported_for_this_run(
    tower: Stub, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    console, cache = Recorder(), TowerCache(tower)
    with cache.open("OpenVINO", console) as file:
        assert file.read_bytes() == b"a graph"
    assert not file.exists()
    assert len(console.said) == 2
    assert console.said[1].startswith(f"{cache.folder} cannot be written (")
    assert console.said[1].endswith("set XDG_CACHE_HOME to a folder that can be")


def test_the_place_is_where_the_system_has_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by the specification
    assert user_cache_folder() == Path("/home/someone/.cache/cdul-edge")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast/disk")
    assert user_cache_folder() == Path("/fast/disk/cdul-edge")


def test_what_a_tower_comes_of_is_in_its_digest(clip: MakeClip, tiny_vit: Path) -> None:
    def vit() -> Any:
        return load_clip(str(tiny_vit), "none")

    assert ImageTower(clip(), "snippets").digest() == ImageTower(clip(), "snippets").digest()
    other_weights = load_clip(str(tiny_vit), "none", seed=1)
    other_heads = vit()
    for block in other_heads.model.visual.transformer.resblocks:
        block.attn.num_heads = 4
    digests = {
        ImageTower(clip(), "snippets").digest(),
        ImageTower(vit(), "snippets").digest(),
        ImageTower(vit(), "patches").digest(),
        ImageTower(other_weights, "snippets").digest(),
        ImageTower(other_heads, "snippets").digest(),
    }
    assert len(digests) == 5
