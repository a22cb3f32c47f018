"""The front door: names that stay functions, take requests or keywords, and load little."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import cdul_edge
from cdul_edge.front import keywords, verbs
from cdul_edge.front.asking import PATHS, ask
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.rows import Row

VERBS = (
    "build",
    "calibrate",
    "convert",
    "export",
    "export_config",
    "label",
    "pull",
    "push",
    "report",
    "review",
    "sample",
    "train",
    "verify",
)


def test_every_name_is_there_and_is_listed() -> None:
    for name in cdul_edge.__all__:
        assert name in dir(cdul_edge)
        found = getattr(cdul_edge, name)
        assert name == ("Row" if found == Row else found.__name__)  # a union has no name
    with pytest.raises(AttributeError, match="no attribute 'lable'"):
        cdul_edge.lable  # noqa: B018


def test_verbs_stay_functions_whatever_was_imported_before() -> None:
    """A package or module of that name would take its place on first import."""
    code = (
        "import pkgutil, importlib, cdul_edge\n"
        "for module in pkgutil.iter_modules(cdul_edge.__path__, 'cdul_edge.'):\n"
        "    importlib.import_module(module.name)\n"
        f"print([type(getattr(cdul_edge, name)).__name__ for name in {VERBS!r}])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == str(["function"] * len(VERBS)), result.stderr
    assert not set(VERBS) & {path.stem for path in Path(cdul_edge.__path__[0]).iterdir()}


@pytest.mark.parametrize(
    ("module", "kind", "names"),
    [
        ("cdul_edge.labelling.request", "LabelRequest", keywords.LabelKeywords),
        ("cdul_edge.front.sampling", "SampleRequest", keywords.SampleKeywords),
        ("cdul_edge.training.request", "TrainRequest", keywords.TrainKeywords),
        ("cdul_edge.front.export_run", "ExportRunRequest", keywords.ExportKeywords),
        ("cdul_edge_calibration.request", "CalibrateRequest", keywords.CalibrateKeywords),
        ("cdul_edge_export.engines.bundle_engines", "BuildRequest", keywords.BuildKeywords),
        (
            "cdul_edge_export.pipelines.request",
            "ExportConfigRequest",
            keywords.ExportConfigKeywords,
        ),
        ("cdul_edge_runtime.verify.request", "VerifyRequest", keywords.VerifyKeywords),
        ("cdul_edge.reporting.request", "ReportRequest", keywords.ReportKeywords),
        ("cdul_edge.converting.request", "ConvertRequest", keywords.ConvertKeywords),
        ("cdul_edge.reviewing.request", "ReviewRequest", keywords.ReviewKeywords),
        ("cdul_edge.hub.request", "PushRequest", keywords.PushKeywords),
        ("cdul_edge.hub.request", "PullRequest", keywords.PullKeywords),
    ],
)
def test_keywords_are_the_fields_of_the_request(module: str, kind: str, names: Any) -> None:
    pytest.importorskip("torch", reason="some requests are of the workstation")
    request = getattr(pytest.importorskip(module), kind)
    assert set(names.__annotations__) == {field.name for field in fields(request)}
    kinds = {field.name: str(field.type) for field in fields(request)}
    assert {n for n, kind in kinds.items() if "Path" in kind and "tuple" not in kind} <= PATHS


def test_a_request_and_keywords_exclude_each_other(tmp_path: Path) -> None:
    from cdul_edge_runtime.verify.request import VerifyRequest

    verify: Any = cdul_edge.verify  # type checkers refuse both calls
    with pytest.raises(TypeError, match="and not both: repeats"):
        verify(VerifyRequest(tmp_path), repeats=1)
    with pytest.raises(TypeError, match="bundle"):
        verify()


def test_a_string_is_an_address_where_it_looks_like_one_and_the_request_takes_one() -> None:
    pytest.importorskip("torch", reason="labeling is of the workstation")
    from cdul_edge.labelling import LabelRequest
    from cdul_edge.storage.location import Url

    given: dict[str, object] = {
        "images": "s3://photos/shard-{0..9}.tar",
        "classes": "classes.txt",
        "out": "labels",
        "clip": "demo",
    }
    request = ask(LabelRequest, None, given)
    assert request.images == Url("s3://photos/shard-{0..9}.tar")
    assert (request.out, request.classes) == (Path("labels"), Path("classes.txt"))
    assert ask(LabelRequest, None, {**given, "out": Path("x")}).out == Path("x")


def test_several_paths_may_be_strings_or_one_of_them() -> None:
    pytest.importorskip("jinja2", reason="a page is made with it")
    from cdul_edge.reporting.request import ReportRequest

    given: dict[str, object] = {"inputs": ["labels", Path("run")], "out": "page.html"}
    request = ask(ReportRequest, None, given)
    assert (request.inputs, request.out) == ((Path("labels"), Path("run")), Path("page.html"))
    assert ask(ReportRequest, None, {**given, "inputs": "labels"}).inputs == (Path("labels"),)
    with pytest.raises(CdulEdgeError, match="inputs holds an empty path: give a path"):
        ask(ReportRequest, None, {**given, "inputs": ["labels", ""]})


def test_one_name_may_stand_for_several() -> None:
    pytest.importorskip("jinja2", reason="a page is made with it")
    from cdul_edge.reporting.request import ReportRequest

    def names(given: object) -> object:
        keywords = {"inputs": "labels", "out": "page.html", "class_names": given}
        return ask(ReportRequest, None, keywords).class_names

    assert (names("dog"), names(["dog", "cat"])) == (("dog",), ["dog", "cat"])


def test_one_library_may_stand_for_several() -> None:
    pytest.importorskip("torch", reason="training is of the workstation")
    from cdul_edge.training.request import TrainRequest

    assert ask(TrainRequest, None, {"labels": "labels", "out": "run", "log": "wandb"}).log == (
        "wandb",
    )


def test_an_empty_string_is_no_path() -> None:
    with pytest.raises(CdulEdgeError, match="bundle is empty: give a path"):
        cdul_edge.verify(bundle="")


def test_verbs_are_functions_of_their_own() -> None:
    assert all(isinstance(getattr(verbs, name), FunctionType) for name in VERBS)


@pytest.mark.parametrize("name", [name for name in VERBS if name != "train"])
def test_a_script_that_torchrun_copied_calls_a_verb_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    given = dict.fromkeys(("images", "classes", "clip", "out"), "no") if name == "label" else {}
    with pytest.raises(
        CdulEdgeError, match=f"torchrun started 2 copies of this script, and `{name}`"
    ):
        getattr(verbs, name)(**given)
