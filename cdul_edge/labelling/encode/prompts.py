"""What CLIP is told about each class."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge.labelling.encode.class_file import read_class_file
from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

if TYPE_CHECKING:
    import torch

    Tokenize = Callable[[list[str]], torch.Tensor]  # N texts to (N, L)

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

_NAMED = 3
_SHOWN = 60  # characters of a sentence that is too long

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
    """Read a class file; see `read_class_file` for its forms.

    A class without prompts is its own prompt, with underscores read as spaces.

    Raises:
        CdulEdgeError: the file cannot be read, is in another form, or names a class twice, by its
            name, by what CLIP is told of it, or by what metrics take for one class.
    """
    named = read_class_file(path)
    names = tuple(unicodedata.normalize("NFC", name) for name, _ in named)
    prompts = tuple(given or (display_name(name),) for name, given in named)
    try:
        classes = ClassList(names)
        folded = [fold_class(name) for name in names]
        refuse_equal(names, folded, "differ only in case, spaces, or hyphens")
        spoken = [tuple(sorted({_spoken(prompt) for prompt in given})) for given in prompts]
        refuse_equal(names, spoken, "have the same prompts, so CLIP cannot tell them apart")
        return Prompts(classes, prompts, tuple(templates))
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


def _spoken(prompt: str) -> str:
    """CLIP's tokenizer sees neither case nor runs of spaces."""
    return " ".join(unicodedata.normalize("NFC", prompt).casefold().split())


def warn_of_truncated(
    sentences: Sequence[str], tokenize: Tokenize, tokens: torch.Tensor, console: Console
) -> None:
    """Name the sentences of which CLIP reads the beginning only.

    Args:
        sentences: N texts.
        tokenize: texts to (N, L) tokens.
        tokens: of the sentences.
        console: for the warning.
    """
    padding = int(tokenize([""])[0, -1])
    rows = tokens.tolist()
    full = [sentence for sentence, row in zip(sentences, rows, strict=True) if row[-1] != padding]
    truncated = [one for one in full if _is_truncated(one, tokenize, tokens.shape[1], padding)]
    if truncated:
        named = ", ".join(f"{one[:_SHOWN]!r}…" for one in truncated[:_NAMED])
        more = f" and {len(truncated) - _NAMED} more" if len(truncated) > _NAMED else ""
        console.warn(
            f"CLIP reads {tokens.shape[1]} tokens, and does not see the end of {named}{more}: "
            "shorten the prompts"
        )


def _is_truncated(sentence: str, tokenize: Tokenize, length: int, padding: int) -> bool:
    """Whether a sentence that fills the context goes on beyond it."""
    encode = getattr(tokenize, "encode", None)  # open_clip's own tokenizer; beginning and end added
    if encode is not None:
        return len(encode(sentence)) + 2 > length
    # a sentence that just fits is not full any more without its last word
    return int(tokenize([sentence.rpartition(" ")[0]])[0, -1]) != padding


def refuse_equal(classes: Sequence[str], meanings: Sequence[Hashable], fault: str) -> None:
    """Refuse two classes with one meaning: their columns would be equal.

    Args:
        classes: names.
        meanings: one for each class.
        fault: what equal ones have or are, such as "have the same prompts".

    Raises:
        CdulEdgeError: naming the first two.
    """
    first: dict[Hashable, str] = {}
    for name, meaning in zip(classes, meanings, strict=True):
        if meaning in first:
            other = first[meaning]
            raise CdulEdgeError(f"{other!r} and {name!r} {fault}: reword or drop one of them")
        first[meaning] = name
