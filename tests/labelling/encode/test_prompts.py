"""Class files of every kind, and those that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdul_edge.labelling.encode.prompts import (
    ENSEMBLE_TEMPLATES,
    Prompts,
    expand_templates,
    read_prompts,
)
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError


def write(tmp_path: Path, text: str, name: str = "classes.txt") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_line_is_a_class_and_its_prompts_stand_after_the_colon(tmp_path: Path) -> None:
    prompts = read_prompts(write(tmp_path, "\ufeffcat\n\n dog : dog | puppy dog \ncow\n"))
    assert prompts.classes.names == ("cat", "dog", "cow")
    assert prompts.prompts == (("cat",), ("dog", "puppy dog"), ("cow",))


def test_underscores_and_voc_ids_are_spoken_as_words(tmp_path: Path) -> None:
    prompts = read_prompts(write(tmp_path, "traffic_light\ndiningtable\n"))
    assert prompts.classes.names == ("traffic_light", "diningtable")
    assert prompts.prompts == (("traffic light",), ("dining table",))


@pytest.mark.parametrize("name", ["ontology.json", "ontology.yaml"])
def test_an_autodistill_ontology_maps_prompts_to_classes(tmp_path: Path, name: str) -> None:
    ontology = {"a milk bottle": "bottle", "a cat": "cat", "a flask": "bottle"}
    prompts = read_prompts(write(tmp_path, json.dumps(ontology), name))
    assert prompts.to_dict() == {"bottle": ["a milk bottle", "a flask"], "cat": ["a cat"]}


def test_every_prompt_goes_into_every_template() -> None:
    prompts = Prompts(
        ClassList(("cat", "dog")), (("cat", "kitten"), ("dog",)), ("a {}", "no {} at all")
    )
    assert prompts.texts(0) == ["a cat", "no cat at all", "a kitten", "no kitten at all"]


def test_the_ensemble_spells_out_seven_templates_beside_others() -> None:
    assert expand_templates(None) == ("a photo of a {}",)
    assert expand_templates(["a {}"]) == ("a {}",)
    together = expand_templates(["ensemble", "a {}"])
    assert together == ("a {}", *ENSEMBLE_TEMPLATES)
    assert len(set(together)) == 8
    assert all(template.count("{}") == 1 for template in together)


@pytest.mark.parametrize(
    ("text", "name", "fault"),
    [
        ("", "c.txt", "is empty"),
        ("\n \n", "c.txt", "is empty"),
        ("", "c.json", "is empty"),
        ("cat\n", "c.txt", "at least 2"),
        ("cat\ndog\ncat\n", "c.txt", "twice: 'cat', 'cat'"),
        ("cat\ndog\nCat\n", "c.txt", "differ only in case: 'cat', 'Cat'"),
        ("cat: |\ndog\n", "c.txt", "'cat' has an empty prompt"),
        ("[1, 2]", "c.json", "is not a class file: expected a list of names"),
        ("{", "c.json", "is not valid JSON"),
        ("a: [", "c.yaml", "is not valid YAML"),
    ],
)
def test_a_wrong_class_file_is_named_with_its_fault(
    tmp_path: Path, text: str, name: str, fault: str
) -> None:
    file = write(tmp_path, text, name)
    with pytest.raises(CdulEdgeError, match=fault) as caught:
        read_prompts(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_class_file_and_one_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="does not exist"):
        read_prompts(tmp_path / "none.txt")
    file = tmp_path / "latin.txt"
    file.write_bytes("chat\nchien\nâne\n".encode("latin-1"))
    with pytest.raises(CdulEdgeError, match="not UTF-8"):
        read_prompts(file)


@pytest.mark.parametrize("template", ["a photo", "a {} of {}"])
def test_a_template_needs_exactly_one_place(tmp_path: Path, template: str) -> None:
    with pytest.raises(CdulEdgeError, match=r"exactly one \{\}"):
        read_prompts(write(tmp_path, "cat\ndog\n"), (template,))
