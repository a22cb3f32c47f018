"""What the engine on a cluster is made of, as far as it needs no cluster."""

from __future__ import annotations

import pickle
import socket
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdul_edge.labelling import LabelRequest
from cdul_edge.labelling.engines import ray_starts
from cdul_edge.labelling.engines.ray_actor import as_picklable
from cdul_edge.labelling.engines.ray_cluster import Node, cluster_address, open_cluster
from cdul_edge.labelling.engines.ray_pool import Pool, share_cluster
from cdul_edge.labelling.engines.ray_starts import MOST_DEATHS, Starts
from cdul_edge.labelling.engines.stored_paths import StoredPaths
from cdul_edge.labelling.engines.versions import Versions
from cdul_edge_runtime.errors import CdulEdgeError, ImageError, LabelsError
from tests.fakes.free_port import free_port


def nodes(*sizes: tuple[int, int]) -> list[Node]:
    return [Node(f"key{at}", f"host{at}", *size) for at, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "actors", "threads", "on_gpus", "expected"),
    [
        ([(2, 0)], None, None, False, Pool(1, 2)),
        ([(2, 0)], 2, None, False, Pool(2, 1)),
        ([(2, 0)], 9, None, False, Pool(2, 1)),  # there are no more CPUs
        ([(2, 0)], None, 1, False, Pool(2, 1)),
        ([(64, 0), (16, 0)], None, None, False, Pool(10, 8)),
        ([(64, 0), (4, 0)], None, None, False, Pool(17, 4)),  # as the smallest machine
        ([(64, 0)], 3, None, False, Pool(3, 8)),
        ([(0, 0), (8, 0)], None, None, False, Pool(1, 8)),  # the head takes no work
        ([(8, 0), (16, 2)], None, None, True, Pool(2, 8, 1)),
        ([(16, 2), (64, 8)], 4, None, True, Pool(4, 8, 1)),
        ([(16, 4)], None, 8, True, Pool(2, 8, 1)),
    ],
)
def test_actors_share_the_machines(
    sizes: list[tuple[int, int]],
    actors: int | None,
    threads: int | None,
    on_gpus: bool,
    expected: Pool,
) -> None:
    found = share_cluster(nodes(*sizes), actors=actors, threads=threads, on_gpus=on_gpus)
    assert found == expected


@pytest.mark.parametrize(
    ("sizes", "threads", "on_gpus", "line"),
    [
        ([(8, 0)], None, True, "no machine of the cluster has a GPU: .*--device cpu"),
        ([(0, 0)], None, False, "no machine of the cluster has CPUs for Ray"),
        ([(8, 0), (4, 0)], 9, False, r"--threads 9: .*the largest has 8\): give fewer"),
    ],
)
def test_a_cluster_without_room_is_one_line(
    sizes: list[tuple[int, int]], threads: int | None, on_gpus: bool, line: str
) -> None:
    with pytest.raises(CdulEdgeError, match=line):
        share_cluster(nodes(*sizes), actors=None, threads=threads, on_gpus=on_gpus)


def test_other_versions_are_refused_with_both() -> None:
    here = Versions({"torch": "2.14.1", "numpy": "2.4.0", "resizer": "Pillow 12.0.0"})
    here.refuse_others(Versions(dict(here.found)), "host7")
    other = Versions({"torch": "2.13.0", "numpy": "2.4.0", "resizer": "cykooz-resizer 4.0.1"})
    with pytest.raises(CdulEdgeError) as refused:
        here.refuse_others(other, "host7 (process 5)")
    assert str(refused.value) == (
        "host7 (process 5) has other versions than this machine, and would make other parts: torch "
        "2.13.0 there and 2.14.1 here, resizer cykooz-resizer 4.0.1 there and Pillow 12.0.0 here: "
        "install the same versions on every machine"
    )


def test_versions_are_those_of_what_runs_the_tower() -> None:
    torch, onnx = Versions.of_this_process("torch"), Versions.of_this_process("onnx")
    assert {"cdul-edge", "Python", "torch", "open_clip_torch", "numpy", "pillow", "pyarrow"} < set(
        torch.found
    )
    assert set(onnx.found) - set(torch.found) == {"onnxruntime"}
    assert "+" not in torch.found["torch"]  # of 2.14.1+cpu and 2.14.1+cu130


def test_a_part_that_ends_every_actor_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_starts, "list_nodes", lambda: nodes((2, 0), (2, 0)))
    starts = Starts()
    assert starts.begin(6, "key0", "host0 (process 0)") == (True, None)
    starts.end(6)
    assert starts.begin(6, "key0", "host0 (process 1)") == (True, None)  # it was done: no death
    for process in range(2, 1 + MOST_DEATHS):
        ended = f"host{process > 2:d} (process {process - 1})"
        assert starts.begin(6, "key1", f"host1 (process {process})") == (True, ended)
    assert starts.begin(5, "key1", "host1 (process 9)") == (True, None)
    assert starts.begin(6, "key0", "host0 (process 4)") == (False, "host1 (process 3)")


def test_an_actor_that_goes_down_with_its_machine_is_no_fault_of_its_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_starts, "list_nodes", lambda: nodes((2, 0)))
    starts = Starts()
    for machine in range(1, 9):
        assert starts.begin(6, f"key{machine}", "gone by the next time")[0]


def test_an_error_travels_as_itself_or_as_its_text() -> None:
    image = as_picklable(ImageError("a.jpg", "is damaged"))
    assert isinstance(image, ImageError)
    assert (str(image), image.reason) == ("a.jpg: is damaged", "is damaged")
    full = as_picklable(OSError(28, "No space left on device", "x.parquet"))
    assert isinstance(full, OSError)
    assert full.errno == 28

    class Local(Exception):
        pass

    other = as_picklable(Local("what it was"))
    assert pickle.loads(pickle.dumps(other)).args == ("Local: what it was",)


@pytest.mark.parametrize("group", [1, 3, 4, 100])
def test_a_slice_of_the_list_is_read_from_the_folder(tmp_path: Path, group: int) -> None:
    paths = [f"{at:02}.jpg" for at in range(10)]
    file = tmp_path / "pictures.parquet"
    pq.write_table(pa.table({"path": paths}), file, row_group_size=group)
    stored = StoredPaths(file, 10)
    assert len(stored) == 10
    assert stored[3:7] == tuple(paths[3:7])
    assert stored[8:12] == tuple(paths[8:])
    assert stored[0:0] == ()
    assert (stored[9], stored[0]) == ("09.jpg", "00.jpg")
    assert list(stored) == paths
    with pytest.raises(LabelsError, match="lists 10 pictures, expected 11"):
        StoredPaths(file, 11)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("nonsense", "--address nonsense: expected auto, or host:port of a cluster"),
        ("ray://head:10001", "does not run through Ray's client: .*--address auto"),
        ("nowhere.invalid:6379", "--address nowhere.invalid:6379: no Ray cluster answers"),
    ],
)
def test_an_address_that_cannot_be_is_one_line(address: str, line: str) -> None:
    with pytest.raises(CdulEdgeError, match=line), open_cluster(cluster_address(address)):
        pass


@pytest.mark.parametrize("asked", [None, "auto"])  # auto is RAY_ADDRESS to Ray
def test_an_address_of_the_environment_is_named_as_such(
    asked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(CdulEdgeError, match=f"^RAY_ADDRESS={address}: no Ray cluster answers"):
        open_cluster(cluster_address(asked)).__enter__()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of its own settings
def test_without_an_address_a_cluster_that_runs_here_is_never_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray itself joins one where it is given no address, and starts its own for "local"."""
    asked = []
    monkeypatch.setattr("ray.init", lambda **options: asked.append(options["address"]))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with open_cluster(cluster_address(None)):
        pass
    monkeypatch.setenv("RAY_ADDRESS", "")
    with open_cluster(cluster_address(None)):
        pass
    assert asked == ["local", "local"]


def test_a_token_that_is_not_the_clusters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With auto, Ray gives the token of this machine, and says no more than that it failed."""
    refused = subprocess.CompletedProcess("ray health-check", 1, b"", b"InvalidAuthToken")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def init(**_: object) -> None:
        raise ConnectionError("Failed to connect to Ray cluster at 127.0.0.1:6379")

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(CdulEdgeError, match="--address auto: the Ray cluster asks for a token"):
        open_cluster(cluster_address("auto")).__enter__()


def test_a_port_where_nothing_listens_is_one_line() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(CdulEdgeError, match=f"--address {address}: no Ray cluster answers"):
        open_cluster(cluster_address(address)).__enter__()


@pytest.mark.parametrize(
    "answer",
    [  # of Ray 2.60: with another token or none, and in the mode `token` without a file
        b"ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: Authentication token is "
        b"missing or incorrect. Note: RAY_AUTH_MODE is currently 'disabled' (not 'token').",
        b"Token authentication is enabled but no authentication token was found",
    ],
)
def test_a_cluster_that_asks_for_a_token_is_not_called_dead(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = subprocess.CompletedProcess("ray health-check", 1, b"", answer)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(CdulEdgeError, match="asks for a token: set RAY_AUTH_MODE=token"):
            open_cluster(cluster_address(address)).__enter__()


def test_a_cluster_is_for_the_engine_that_has_one() -> None:
    with pytest.raises(CdulEdgeError, match="add --engine ray"):
        LabelRequest(Path("a"), Path("b"), Path("c"), "demo", address="auto")
