from __future__ import annotations

import pytest

from cdul_edge_export.portable import without_folders


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/home/ann/clip.pt", "clip.pt"),
        ("~/clip.pt", "clip.pt"),
        ("C:\\Users\\Ann\\clip.pt", "clip.pt"),
        ("\\\\server\\ann\\clip.pt", "clip.pt"),
        ("clip:RN50@/home/ann/clip.pt", "clip:RN50@clip.pt"),
        ("clip:local-dir:/home/ann/clip", "clip:local-dir:clip"),
        ("file:///home/ann/clip.pt", "file:clip.pt"),
        ("https://example.org/clip.pt", "https://example.org/clip.pt"),
        ("clip:RN50@openai", "clip:RN50@openai"),
        ("a photo of a cat / dog", "a photo of a cat / dog"),
        ("", ""),
    ],
)
def test_of_an_absolute_path_only_the_last_part_is_kept(text: str, kept: str) -> None:
    nested = {"a": text, "b": [text, 1], "c": {"d": text, "e": None}}
    assert without_folders(nested) == {"a": kept, "b": [kept, 1], "c": {"d": kept, "e": None}}
