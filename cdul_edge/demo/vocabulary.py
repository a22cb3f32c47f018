"""A small byte-pair vocabulary, cut from open_clip's own.

open_clip's merges make 49,408 tokens: 25 MB of embeddings at CLIP's width, for captions that use
about a hundred words. The cut keeps the merges that those words need, in their order, so each of
them is still one token; any other word falls apart into smaller known pieces, in the end bytes.
"""

from __future__ import annotations

import gzip
import io
from itertools import pairwise
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

from cdul_edge.demo.canvas import BACKGROUNDS, COLOR_NAMES
from cdul_edge.demo.captions import BIG, EMPTY_TEMPLATES, SMALL, TEMPLATES
from cdul_edge.demo.shapes import SHAPES

# Beyond the captions: what people write in prompts, so that a sentence stays within the context.
PROMPT_WORDS = (
    "and art background bad black blurry bright cartoon clean close cool cropped dark doodle "
    "drawing embroidered few good graffiti image in itap large low many my nice of on one or "
    "origami painting photo picture pixelated plastic plushie rendering rendition resolution "
    "scene sculpture shape sketch small some tattoo that the there these this toy two up very "
    "video game weird white with"
).split()


def words() -> list[str]:
    """Every word that must be one token (or as few as open_clip's full vocabulary needs)."""
    spoken = " ".join(TEMPLATES + EMPTY_TEMPLATES).replace("{bare}", "").replace("{}", "").split()
    named = [*SHAPES, *COLOR_NAMES, *BACKGROUNDS, BIG, SMALL, "a", "an", "on", "background"]
    return sorted({*spoken, *named, *PROMPT_WORDS})


def cut_vocabulary(path: Path) -> SimpleTokenizer:
    """Write the merges that `words` need to the gzip file `path` and return its tokenizer."""
    full = SimpleTokenizer()
    needed: set[tuple[str, str]] = set()
    for word in words():
        needed |= _merges_of(full, word)
    merges = sorted(needed, key=lambda pair: full.bpe_ranks[pair])
    # SimpleTokenizer skips the first line and takes every other one as a merge: no last newline.
    text = "\n".join(["#version: cut for cdul-edge", *(" ".join(pair) for pair in merges)])
    compressed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=compressed, mtime=0) as file:
        file.write(text.encode())
    path.write_bytes(compressed.getvalue())
    return SimpleTokenizer(bpe_path=str(path))


def _merges_of(tokenizer: SimpleTokenizer, word: str) -> set[tuple[str, str]]:
    """The merges that join the letters of `word`, each made of pieces that smaller ones joined."""
    ranks: dict[tuple[str, str], int] = tokenizer.bpe_ranks
    pieces = [*word[:-1], word[-1] + "</w>"]
    merges: set[tuple[str, str]] = set()
    while len(pieces) > 1:
        pairs = [pair for pair in pairwise(pieces) if pair in ranks]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: ranks[pair])
        merges.add(best)
        pieces = _join(pieces, best)
    return merges


def _join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
