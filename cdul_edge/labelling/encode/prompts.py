"""What CLIP is told about each class."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

DEFAULT_TEMPLATE = "a photo of a {}"
# `--template ensemble`: the seven of CLIP's eighty that its authors found to be as good together on
# ImageNet as all (notebook Prompt_Engineering_for_ImageNet of openai/CLIP).
ENSEMBLE = "ensemble"
ENSEMBLE_TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)

# PASCAL VOC writes these ids as one word, which CLIP's tokenizer would read as another word.
_SPACED = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}


@dataclass(frozen=True)
class Prompts:
    """For each class one or more prompts, each put into every template.

    Attributes:
        classes: the C classes.
        prompts: C tuples of at least one prompt; a class's text embeddings are averaged.
        templates: texts with one {} for the prompt.

    Raises:
        CdulEdgeError: an empty prompt, or a template without exactly one {}.
    """

    classes: ClassList
    prompts: tuple[tuple[str, ...], ...]
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)

    def __post_init__(self) -> None:
        for name, prompts in zip(self.classes, self.prompts, strict=True):
            if not prompts or any(not prompt.strip() for prompt in prompts):
                raise CdulEdgeError(f"the class {name!r} has an empty prompt: write one, or none")
        if not self.templates:
            raise CdulEdgeError(f"no template: give at least one, such as {DEFAULT_TEMPLATE!r}")
        for template in self.templates:
            if template.count("{}") != 1:
                raise CdulEdgeError(
                    f"the template {template!r} needs exactly one {{}}, where the prompt goes"
                )

    def texts(self, index: int) -> list[str]:
        """Every sentence for class `index`."""
        return [
            template.replace("{}", prompt)
            for prompt in self.prompts[index]
            for template in self.templates
        ]

    def to_dict(self) -> dict[str, list[str]]:
        """Class name to prompts, in column order."""
        return {name: list(p) for name, p in zip(self.classes, self.prompts, strict=True)}


def read_prompts(path: Path, templates: Iterable[str] = (DEFAULT_TEMPLATE,)) -> Prompts:
    """Read a class file.

    A text file holds one class a line, or `name: prompt | prompt`; a `.json`, `.yaml` or `.yml`
    file holds an autodistill ontology, `{prompt: class}`. A class without prompts is its own
    prompt, with underscores read as spaces.

    Raises:
        CdulEdgeError: the file is absent, empty, not UTF-8, or names a class twice.
    """
    text = _read_text(path)
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        named = _group_by_class(_parse_mapping(path, text), path)
    else:
        named = [_parse_line(line) for line in text.splitlines() if line.strip()]
    if not named:
        raise CdulEdgeError(f"{path} is empty: write one class name a line")
    try:
        classes = ClassList(tuple(name for name, _ in named))
        return Prompts(classes, tuple(prompts for _, prompts in named), tuple(templates))
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path}: {error}") from error


def expand_templates(given: Iterable[str] | None) -> tuple[str, ...]:
    """The templates asked for, `ensemble` spelled out; the default where none is."""
    templates = tuple(given or (DEFAULT_TEMPLATE,))
    if ENSEMBLE not in templates:
        return templates
    return (*(t for t in templates if t != ENSEMBLE), *ENSEMBLE_TEMPLATES)


def display_name(name: str) -> str:
    """How a class name is spoken: `traffic_light` and `diningtable` become two words."""
    return _SPACED.get(name.casefold(), name.replace("_", " "))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise CdulEdgeError(f"the class file {path} does not exist: check --classes") from error
    except UnicodeDecodeError as error:
        raise CdulEdgeError(
            f"the class file {path} is not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from error
    except OSError as error:
        raise CdulEdgeError(f"the class file {path} cannot be read: {error.strerror}") from error


def _parse_line(line: str) -> tuple[str, tuple[str, ...]]:
    name, colon, rest = line.partition(":")
    name = name.strip()
    if not colon:
        return name, (display_name(name),)
    return name, tuple(prompt.strip() for prompt in rest.split("|"))


def _parse_mapping(path: Path, text: str) -> Any:
    if not text.strip():
        return {}
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise CdulEdgeError(f"{path} is not valid JSON: {error}") from error
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise CdulEdgeError(f"{path} is not valid YAML: {reason}") from error


def _group_by_class(ontology: Any, path: Path) -> list[tuple[str, tuple[str, ...]]]:
    if not isinstance(ontology, dict) or not all(
        isinstance(item, str) for pair in ontology.items() for item in pair
    ):
        raise CdulEdgeError(f"{path} is no ontology: expected a mapping {{prompt: class name}}")
    prompts: dict[str, list[str]] = {}
    for prompt, name in ontology.items():
        prompts.setdefault(name.strip(), []).append(prompt.strip())
    return [(name, tuple(listed)) for name, listed in prompts.items()]
