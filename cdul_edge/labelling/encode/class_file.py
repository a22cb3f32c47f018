"""Class files of every form that people have: lines, id2label, YOLO, ontologies."""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.host.reading import read_text

MAX_CLASS_FILE_BYTES = 16 << 20

# As in YAML: a colon separates where a space or nothing follows, so that "ratio 16:9" is a name.
_NAME_AND_PROMPTS = re.compile(r"(.*?):(?:\s+(.*))?")
# "0: star", "1. star", "2 star", "- star"
_MARKED = re.compile(r"(\d+[.):,]?|[-*])\s+(\S.*)")
_FORMS = (
    "expected a list of names, {prompt: name}, {name: [prompts]}, {id: name}, {name: id}, "
    "or YOLO's names"
)


class NamedClass(NamedTuple):
    """A class as the file gives it; without prompts its name is what CLIP is told."""

    name: str
    prompts: tuple[str, ...] = ()


def read_class_file(path: Path) -> list[NamedClass]:
    """Read classes, in the order of the file or of its ids.

    * Text: a class per line, or `name: prompt | prompt`; `#` begins a comment line; numbers
      (`0: name`, `1. name`) and bullets that every line begins with, in turn, are no part of it.
    * JSON or YAML: a list of names; an autodistill ontology `{prompt: name}`; `{name: [prompts]}`;
      `{id: name}` or `{name: id}`, as Hugging Face writes them (also under `id2label`); YOLO's
      `names`, a list or `{id: name}`.

    Raises:
        CdulEdgeError: the file does not exist, is empty, not UTF-8, larger than
            MAX_CLASS_FILE_BYTES, in another form, or holds an id, a key or a character that is
            no name.
    """
    if not path.exists():
        raise CdulEdgeError(f"the class file {path} does not exist: check --classes")
    text = read_text(path, limit_bytes=MAX_CLASS_FILE_BYTES)
    suffix = path.suffix.lower()
    try:
        if not text.strip():
            found = []
        elif suffix == ".json":
            found = _from_document(_parse_json(text))
        elif suffix in (".yaml", ".yml"):
            found = _from_document(_parse_yaml(text))
        else:
            if suffix in (".csv", ".tsv") and re.search(r"[,;\t]", text):
                raise CdulEdgeError("has several columns: write one class name per line")
            found = _from_lines(text)
        _refuse_characters(found)
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path} {error}") from error
    if not found:
        raise CdulEdgeError(f"{path} is empty: write one class name per line")
    return found


def _from_lines(text: str) -> list[NamedClass]:
    # only a newline ends a name: splitlines() would also split at U+2028 and its like
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    kept = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    if len(kept) == 1 and re.search(r"[,;]", kept[0][1]):
        raise CdulEdgeError("has a single line: write one class name per line")
    names = _without_markers([line for _, line in kept])
    return [_from_line(number, name) for (number, _), name in zip(kept, names, strict=True)]


def _without_markers(lines: list[str]) -> list[str]:
    """Lines without the ids or bullets with which every one of them begins, in turn."""
    marked = [match for line in lines if (match := _MARKED.fullmatch(line))]
    if len(marked) < max(2, len(lines)):
        return lines
    markers = [match[1] for match in marked]
    ids = [marker.rstrip(".):,") for marker in markers]
    from_zero = [str(number) for number in range(len(lines))]
    from_one = [str(number + 1) for number in range(len(lines))]
    # "1 euro", "2 euro" are names; "1. euro" is not
    counted = ids == from_zero or (ids == from_one and ids != markers)
    if counted or set(markers) in ({"-"}, {"*"}):
        return [match[2] for match in marked]
    return lines


def _from_line(number: int, line: str) -> NamedClass:
    separated = _NAME_AND_PROMPTS.fullmatch(line)
    if separated is None:
        if re.search(r"[^\W\d]:[^\W\d]", line):
            name, _, prompt = line.partition(":")
            warnings.warn(
                f"line {number} of the class file, {line!r}, is taken as a name: write "
                f"'{name}: {prompt}', with a space, if {prompt!r} is a prompt",
                CdulEdgeWarning,
                stacklevel=2,
            )
        return NamedClass(line)
    name, prompts = separated.groups()
    return NamedClass(name.strip(), tuple(prompt.strip() for prompt in (prompts or "").split("|")))


def _from_document(content: object) -> list[NamedClass]:
    if isinstance(content, dict):
        # beside other keys: YOLO's data.yaml, Hugging Face's config.json
        for key in ("names", "id2label", "classes"):
            if isinstance(content.get(key), (list, dict)):
                found = _from_document(content[key])
                _check_count(content.get("nc"), len(found))
                return found
        return _from_mapping(content)
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return [NamedClass(name.strip()) for name in content]
    raise CdulEdgeError(f"is not a class file: {_FORMS}")


def _from_mapping(content: Mapping[str, object]) -> list[NamedClass]:
    values = list(content.values())
    names = [value for value in values if isinstance(value, str)]
    if len(names) == len(values):
        if not any(names):  # YAML's "star:", one per line
            return [NamedClass(name.strip()) for name in content]
        if all(map(_is_id, content)):
            return _by_id(zip(map(int, content), names, strict=True))
        if all(map(_is_id, names)):
            return _by_id(zip(map(int, names), content, strict=True))
        return _from_ontology(zip(content, names, strict=True))
    ids = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if len(ids) == len(values):
        return _by_id(zip(ids, content, strict=True))
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) == len(values) and all(isinstance(prompt, str) for ps in lists for prompt in ps):
        return [
            NamedClass(name.strip(), tuple(prompt.strip() for prompt in prompts) or ("",))
            for name, prompts in zip(content, lists, strict=True)
        ]
    raise CdulEdgeError(f"is not a class file: {_FORMS}")


def _from_ontology(pairs: Iterable[tuple[str, str]]) -> list[NamedClass]:
    prompts: dict[str, list[str]] = {}
    for prompt, name in pairs:
        prompts.setdefault(name.strip(), []).append(prompt.strip())
    return [NamedClass(name, tuple(given)) for name, given in prompts.items()]


def _by_id(pairs: Iterable[tuple[int, str]]) -> list[NamedClass]:
    names: dict[int, str] = {}
    for identity, name in pairs:
        if identity in names:
            raise CdulEdgeError(f"gives the id {identity} to {names[identity]!r} and {name!r}")
        names[identity] = name
    return [NamedClass(names[identity].strip()) for identity in sorted(names)]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _check_count(said: object, count: int) -> None:
    if said is not None and str(said) != str(count):
        raise CdulEdgeError(f"says nc: {said!s:.20}, but names {count} classes")


def _refuse_characters(found: Sequence[NamedClass]) -> None:
    for name, prompts in found:
        for text in (name, *prompts):
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
                raise CdulEdgeError(f"holds {text[:60]!r}: a name has no control characters")


def _parse_json(text: str) -> object:
    try:
        content: object = json.loads(text, object_pairs_hook=_refuse_doubles)
    except (ValueError, RecursionError) as error:
        raise CdulEdgeError(f"is not valid JSON: {error}") from error
    return content


def _refuse_doubles(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    content: dict[str, object] = {}
    for key, value in pairs:
        if key in content:
            raise CdulEdgeError(f"has the key {key[:60]!r} twice: give each once")
        content[key] = value
    return content


def _parse_yaml(text: str) -> object:
    """Every scalar as the text that stands there: `no` is a class, not False."""
    import yaml

    try:
        return _plain(yaml.compose(text, Loader=yaml.BaseLoader), depth=3)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CdulEdgeError(f"is not valid YAML: {reason[:300]}") from error


def _plain(node: object, depth: int) -> object:
    import yaml

    if depth and isinstance(node, yaml.MappingNode):
        return _refuse_doubles(
            [(str(key.value), _plain(value, depth - 1)) for key, value in node.value]
        )
    if depth and isinstance(node, yaml.SequenceNode):
        return [_plain(item, depth - 1) for item in node.value]
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
