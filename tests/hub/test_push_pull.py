"""The real client of the Hub against a small imitation of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("huggingface_hub")

from huggingface_hub import ModelCard

import cdul_edge
from cdul_edge import CdulEdgeError, Classifier
from cdul_edge.hub.request import PushRequest, PushResult
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from tests.fakes.free_port import free_port
from tests.fakes.hub_server import Hub, Repository
from tests.fakes.recorded_console import RecordedConsole

# huggingface_hub hands httpx a file in a way of before
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PLACE = "hf://me/colors"
SILENT = SilentConsole()
Change = Callable[[Path], None]


@pytest.fixture
def rich(bundle: Path, add_precision: Callable[..., None]) -> Path:
    """A bundle with another precision, and what must stay at home."""
    add_precision(bundle, Precision.INT8_CPU)
    (bundle / "engines").mkdir()
    (bundle / "engines" / "fp16.engine").write_bytes(b"of one machine")
    (bundle / "notes.txt").write_text("private")
    return bundle


def push(bundle: Path, **changes: Any) -> PushResult:
    request = PushRequest(bundle, PLACE, private=True)
    return cdul_edge.push(replace(request, **changes), console=SILENT)


def pull(out: Path, **changes: Any) -> Any:
    return cdul_edge.pull(**{"repository": PLACE, "out": out, **changes}, console=SILENT)


def test_a_bundle_comes_back_as_it_went_and_classifies(
    hub: Hub, rich: Path, tmp_path: Path
) -> None:
    pushed = push(rich)
    repository = hub.repositories["me/colors"]
    assert repository.private
    assert [oid for oid, _ in repository.branches["main"]] == [pushed.commit]
    expected = {
        "README.md", "manifest.json", "model.fp32.onnx", "model.int8-cpu.json",
        "model.int8-cpu.onnx", "reference.npz",
    }  # fmt: skip
    assert set(pushed.files) == set(hub.files("me/colors")) == expected
    assert pushed.bytes == sum(map(len, hub.files("me/colors").values()))
    pulled = pull(tmp_path / "back")
    assert (pulled.commit, set(pulled.files)) == (pushed.commit, expected - {"README.md"})
    for name in pulled.files:
        assert (tmp_path / "back" / name).read_bytes() == (rich / name).read_bytes(), name
    with Classifier.load(tmp_path / "back", device="cpu", precision="int8-cpu") as classifier:
        assert list(classifier.classes) == ["red", "green", "blue"]
    with pytest.raises(CdulEdgeError, match="back exists: choose another --out, or replace"):
        pull(tmp_path / "back")
    pull(tmp_path / "back", force=True)


def test_a_second_push_uploads_what_is_new_and_removes_what_is_gone(
    hub: Hub, rich: Path, tmp_path: Path
) -> None:
    first = push(rich)
    (rich / "model.int8-cpu.onnx").unlink()
    (rich / "model.int8-cpu.json").unlink()
    hub.repositories["me/colors"].branches["main"][-1][1]["paper.pdf"] = b"of its owner"
    hub.asked.clear()
    push(rich)
    assert [asked for asked in hub.asked if asked.startswith("PUT")] == []
    assert set(hub.files("me/colors")) == {
        "README.md", "manifest.json", "model.fp32.onnx", "reference.npz", "paper.pdf",
    }  # fmt: skip
    # the commit of before is still what it was
    again = pull(tmp_path / "before", revision=first.commit)
    assert again.commit == first.commit
    assert "model.int8-cpu.onnx" in again.files


def test_a_branch_is_made_and_pulled_from(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    push(bundle, revision="candidate")
    assert hub.files("me/colors") == {}
    assert "manifest.json" in hub.files("me/colors", "candidate")
    push(bundle, revision="candidate")
    assert pull(tmp_path / "out", revision="candidate").files
    with pytest.raises(CdulEdgeError, match="hf://me/colors has no revision 'v9': check --rev"):
        pull(tmp_path / "none", revision="v9")


def test_the_card_says_what_is_known_and_nothing_else(
    hub: Hub, make_bundle: Callable[..., Path]
) -> None:
    names = ClassList(("red|pipe", "<script>alert(1)</script>", "line\nbreak *x*"))
    settings = {"network": "clip:demo", "method": "distill", "epochs": 8}
    origin = {"settings": settings, "labels_sha256": "ab" * 32}
    bundle = make_bundle(classes=names, provenance={"run": origin})
    push(bundle)
    text = hub.files("me/colors")["README.md"].decode()
    card = ModelCard(text)
    told = {name: value for name, value in vars(card.data).items() if value}
    assert told == {
        "license": "unknown", "library_name": "cdul-edge", "pipeline_tag": "image-classification",
        "tags": ["cdul-edge", "multi-label", "onnx", "edge"],
    }  # fmt: skip
    assert "which of 3 classes an image shows" in text
    assert "<script>" not in text
    assert r"red\|pipe, &lt;script&gt;alert\(1\)&lt;/script&gt;, line break \*x\*." in text
    assert "| method | distill |" in text
    assert "ab" * 32 in text
    assert "No accuracy on images with truth stands in what was pushed." in text
    assert "Never predicted, as its threshold lets nothing pass: line break" in text
    assert "Not stated." in text
    assert "The manifest does not say whether people gave any." in text
    push(bundle, license="apache-2.0")
    card = ModelCard(hub.files("me/colors")["README.md"].decode())
    assert card.data.get("license") == "apache-2.0"


def test_figures_of_the_card_are_those_of_the_records(hub: Hub, rich: Path) -> None:
    record = read_json(rich / "model.int8-cpu.json")
    record["accuracy"].update(truth="truth.csv", map_fp32=81.26, map=80.94, flip_rate=0.0123)
    write_json(rich / "model.int8-cpu.json", record)
    push(rich)
    text = hub.files("me/colors")["README.md"].decode()
    assert r"| int8\-cpu | 3 | truth.csv | 80.9 | 81.3 | 1.23 % |" in text
    assert "The manifest does not say how the network was trained." in text
    assert "guessed" not in text


def test_a_card_of_its_own_stays(hub: Hub, bundle: Path) -> None:
    hub.repositories["me/colors"] = Repository(private=True)
    hub.repositories["me/colors"].branches["main"].append(("1" * 40, {"README.md": b"# mine"}))
    listener = RecordedConsole()
    cdul_edge.push(PushRequest(bundle, PLACE, private=True), console=listener)
    assert hub.files("me/colors")["README.md"] == b"# mine"
    assert listener.warned == [
        "the README.md of hf://me/colors was not written by `push` and stays as it is: --force "
        "replaces it"
    ]
    push(bundle, force=True)
    assert b"written by cdul-edge" in hub.files("me/colors")["README.md"]


def test_who_publishes_images_is_told(hub: Hub, bundle: Path) -> None:
    listener = RecordedConsole()
    cdul_edge.push(bundle=str(bundle), repository=PLACE, console=listener)
    assert not hub.repositories["me/colors"].private
    (warned,) = listener.warned
    assert warned.startswith("reference.npz holds 3 images")
    with pytest.raises(CdulEdgeError, match="exists and is public, and nothing was pushed"):
        push(bundle)


def leak(name: str, value: str) -> Change:
    def change(bundle: Path) -> None:
        manifest = read_json(bundle / "manifest.json")
        manifest["provenance"][name] = value
        write_json(bundle / "manifest.json", manifest)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (leak("note", "hf_abcdefghijklmnopqrstuvwxyz"), "an access token of Hugging Face"),
        (leak("uri", "https://me:word@host/x"), "an address with a password"),
        (leak("key", "-----BEGIN RSA PRIVATE KEY-----"), "a private key"),
        (leak("weights", "/home/anna/best.pt"), "names a place of this machine (/home/anna"),
        (leak("weights", r"C:\Users\anna\best.pt"), r"names a place of this machine (C:\\Users"),
        (lambda b: (b / "model.fp32.onnx").write_bytes(b"x"), "has 1 bytes, expected"),
    ],
)
def test_what_must_not_be_published_is_refused_before_the_hub_hears_of_it(
    hub: Hub, bundle: Path, change: Change, words: str
) -> None:
    change(bundle)
    with pytest.raises(CdulEdgeError) as caught:
        push(bundle)
    assert words in str(caught.value)
    assert "abcdefgh" not in str(caught.value)
    assert "word@" not in str(caught.value)
    assert hub.asked == []


def test_names_of_images_that_are_paths_of_this_machine_are_refused(hub: Hub, bundle: Path) -> None:
    from cdul_edge_runtime.bundle.bundle import Reference, record_file

    held = Bundle.load(bundle).reference()
    Reference(held.inputs, held.scores, ("a", "/home/anna/b.jpg", "c")).write(
        bundle / "reference.npz"
    )
    manifest = read_json(bundle / "manifest.json")
    made = record_file(bundle / "reference.npz")
    manifest["files"]["reference.npz"] = {"sha256": made.sha256, "bytes": made.bytes}
    write_json(bundle / "manifest.json", manifest)
    with pytest.raises(CdulEdgeError, match=r"reference\.npz names a place of this machine"):
        push(bundle)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://colors", "names no user: expected hf://USER/NAME"),
        ("s3://me/colors", "'s3://me/colors' is no repository"),
        ("me/colors", "'me/colors' is no repository"),
        ("hf://me/colors@v1", "give it as --revision"),
        ("hf://me/colors/model.onnx", "is no repository"),
        ("hf://me/co lors", "is no repository"),
        ("hf://me/..", "is no repository"),
    ],
)
def test_a_name_that_is_none_is_refused(
    bundle: Path, tmp_path: Path, address: str, words: str
) -> None:
    with pytest.raises(CdulEdgeError) as caught:
        push(bundle, repository=address)
    assert words in str(caught.value)
    with pytest.raises(CdulEdgeError) as caught:
        pull(tmp_path / "out", repository=address)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ({"POST /api/repos/create": 403}, "your token may not write to hf://me/colors"),
        ({"POST /api/models/me/colors/commit": 403}, "your token may not write to hf://me/colors"),
        ({"POST /api/models/me/colors/commit": 400}, "(status 400: refused with 400)"),
        ({"PUT /objects": 403}, "your token may not write to hf://me/colors"),
    ],
)
def test_what_the_hub_refuses_is_one_line_and_nothing_is_committed(
    hub: Hub, bundle: Path, refusal: dict[str, int], words: str
) -> None:
    hub.refusals.update(refusal)
    with pytest.raises(CdulEdgeError) as caught:
        push(bundle)
    assert words in str(caught.value)
    assert hub.token not in str(caught.value)
    assert all(hub.files(name) == {} for name in hub.repositories)


def test_who_is_not_logged_in_is_told_how(
    hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ofAnotherHub")
    with pytest.raises(CdulEdgeError, match="the Hub does not accept your token: log in") as told:
        push(bundle)
    assert "hf_ofAnotherHub" not in str(told.value)
    hub.asked.clear()
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(CdulEdgeError, match=r"needs an access token: log in with `hf auth login`"):
        push(bundle)
    assert hub.asked == []


def test_a_hub_that_is_not_there_is_one_line(
    hub: Hub, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    for work in (lambda: push(bundle), lambda: pull(tmp_path / "out")):
        with pytest.raises(CdulEdgeError, match="hf://me/colors could not be reached"):
            work()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("engines/fp16.engine", "names 'engines/fp16.engine', which is no part of a bundle"),
        ("model.pkl", "names 'model.pkl', which is no part of a bundle"),
        ("../../.profile", "'../../.profile', which leaves the folder"),
        ("/etc/profile", "'/etc/profile', which leaves the folder"),
    ],
)
def test_a_hostile_repository_brings_nothing_but_parts(
    hub: Hub, bundle: Path, tmp_path: Path, name: str, words: str
) -> None:
    push(bundle)
    files = hub.repositories["me/colors"].branches["main"][-1][1]
    for extra in (name, "notes.pkl", "model.\\..\\..\\x.onnx"):
        files[extra] = b"a program"
    honest = pull(tmp_path / "out").files
    assert set(honest) == {"manifest.json", "model.fp32.onnx", "reference.npz"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == set(honest)
    assert not any(file.is_symlink() for file in (tmp_path / "out").iterdir())
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 9}
    files["manifest.json"] = json.dumps(manifest).encode()
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(CdulEdgeError) as caught:
        pull(tmp_path / "hostile")
    assert words in str(caught.value)
    assert not (tmp_path / "hostile").exists()


def test_a_download_that_breaks_off_leaves_nothing_and_goes_on(
    hub: Hub, bundle: Path, tmp_path: Path
) -> None:
    push(bundle)
    hub.cut["model.fp32.onnx"] = 100
    pull(tmp_path / "out")  # the client asks for the rest by itself
    assert Bundle.load(tmp_path / "out")
    hub.refusals["/reference.npz"] = 403
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(CdulEdgeError):
        pull(tmp_path / "again")
    assert not (tmp_path / "again").exists()
    hub.refusals.clear()
    hub.asked.clear()
    pull(tmp_path / "again")
    assert "GET /me/colors/resolve" not in " ".join(a for a in hub.asked if "model.fp32" in a)


@pytest.mark.parametrize("where", ["GET /api/models", "/resolve/"])
@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (200, b"<html>log in</html>", "(what answers is not|holds no bundle|could not be reached)"),
        (200, b"[]", "(what answers is not|holds no bundle|could not be reached)"),
        (302, b"{}", "(what answers is not|could not be reached)"),
        (403, b"{}", "your token may not read hf://me/colors"),
    ],
)
def test_what_is_no_answer_of_the_hub_is_told_in_one_line(
    where: str, status: int, answer: bytes, words: str, hub: Hub, bundle: Path, tmp_path: Path
) -> None:
    push(bundle)
    hub.answers[where] = (status, answer)
    with pytest.raises(CdulEdgeError, match=words) as caught:
        pull(tmp_path / "out")
    assert "\n" not in str(caught.value).replace(hub.token, "\n")
    assert not (tmp_path / "out").exists()


def test_a_repository_that_is_no_bundle_is_refused(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    hub.repositories["me/colors"] = Repository(private=True)
    commits = hub.repositories["me/colors"].branches["main"]
    others = {
        "it has no manifest.json": {"model.bin": b"x"},
        "its manifest.json is not a manifest of cdul-edge": {"manifest.json": b'{"a": 1}'},
        "its manifest.json is not valid JSON": {"manifest.json": b"{"},
    }
    for number, (words, files) in enumerate(others.items()):
        commits.append((f"{number:040}", files))
        with pytest.raises(CdulEdgeError) as caught:
            pull(tmp_path / "out")
        assert f"hf://me/colors holds no bundle: {words}" in str(caught.value)
        with pytest.raises(CdulEdgeError, match="holds something else than a bundle"):
            push(bundle)
    assert not (tmp_path / "out").exists()
    assert len(commits) == 3
    push(bundle, force=True)
    with pytest.raises(CdulEdgeError, match="hf://me/other is not there, or is private"):
        pull(tmp_path / "out", repository="hf://me/other")


def test_a_file_that_is_not_the_one_of_the_manifest_is_refused(
    hub: Hub, rich: Path, tmp_path: Path
) -> None:
    push(rich)
    files = hub.files("me/colors")
    whole = dict(files)
    damages: dict[str, bytes | None] = {
        "model.fp32.onnx": bytes(len(files["model.fp32.onnx"])),
        "model.int8-cpu.onnx": b"of another bundle",
        "reference.npz": None,
    }
    for number, (name, content) in enumerate(damages.items()):
        damaged = {**whole, name: content} if content is not None else dict(whole)
        if content is None:
            del damaged[name]
        commits = hub.repositories["me/colors"].branches["main"]
        commits.append((f"{number:040}", damaged))
        with pytest.raises(CdulEdgeError) as caught:
            pull(tmp_path / "out")
        assert name in str(caught.value)
        assert str(tmp_path / ".out") not in str(caught.value)
        assert not (tmp_path / "out").exists()


def test_a_run_brings_its_weights_and_what_it_measured(
    hub: Hub, tmp_path: Path, bundle: Path
) -> None:
    pytest.importorskip("torch")
    from safetensors import safe_open

    from cdul_edge.training.run_folder import load_run

    run = shutil.copytree(Path(__file__).parents[1] / "training/old_run/finished", tmp_path / "run")
    summary = read_json(run / "summary.json")
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.int8)
    scores = np.array([[9, 1, 1], [1, 4, 1], [2, 1, 8], [7, 3, 4]], np.float32) / 10
    halves = np.full(3, 0.5, np.float32)
    measured = evaluate_scores(scores, truth, ClassList(("red", "green", "blue")), halves)
    write_json(run / "summary.json", {**summary, "val": measured.to_dict()})
    with pytest.raises(CdulEdgeError, match="was not exported from"):
        push(bundle, run=run)
    trained = load_run(run)
    manifest = read_json(bundle / "manifest.json")
    manifest["provenance"] = {"run": json.loads(json.dumps(trained.provenance))}
    write_json(bundle / "manifest.json", manifest)
    push(bundle, run=run)
    (tmp_path / "w.safetensors").write_bytes(hub.files("me/colors")["model.safetensors"])
    with safe_open(tmp_path / "w.safetensors", "np") as weights:
        for name, value in trained.network.state_dict().items():
            np.testing.assert_array_equal(weights.get_tensor(name), value.numpy())
    plan = json.loads(hub.files("me/colors")["network.json"])
    assert plan["build"]["family"] == "clip_resnet"
    text = hub.files("me/colors")["README.md"].decode()
    # of the ten entries at 0.5, green's two positives are missed
    assert "On 4 held-out images with truth" in text
    shown = dict(re.findall(r"^\| (mAP|macro F1) \| ([\d.]+) \|$", text, re.MULTILINE))
    assert shown == {"mAP": "100.0", "macro F1": "66.7"}
    results = ModelCard(text).data.get("eval_results")
    assert {one.metric_type: one.metric_value for one in results}["macro F1"] == 66.67
