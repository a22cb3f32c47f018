"""What CLIP does not see of the prompts: words beyond its context, and so classes that differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

Tokenize = Callable[[list[str]], torch.Tensor]

_NAMED = 3
_SHOWN = 60  # characters of a sentence that is too long


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


def refuse_equal_classes(classes: Sequence[str], meanings: Sequence[Hashable], reason: str) -> None:
    """Refuse two classes with one meaning: their columns would be equal.

    Raises:
        CdulEdgeError: naming the first two.
    """
    seen: dict[Hashable, str] = {}
    for name, meaning in zip(classes, meanings, strict=True):
        if meaning in seen:
            raise CdulEdgeError(
                f"CLIP cannot tell the classes {seen[meaning]!r} and {name!r} apart, {reason}: "
                "give them other prompts (name: prompt | prompt) in the class file"
            )
        seen[meaning] = name
