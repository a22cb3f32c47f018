"""What the first picture needs, to be imported in a thread while a network loads."""

from __future__ import annotations

from contextlib import suppress


def import_for_pictures() -> None:
    """Import Pillow, its common decoders and the resizer.

    Nothing is raised: what is missing or broken is said by the first picture that needs it.
    """
    with suppress(BaseException):  # a panic of Rust is no `Exception`
        from PIL import Image

        from cdul_edge_runtime.pictures import images, resizer  # noqa: F401 - for `predict`

        Image.preinit()
        import cykooz_resizer  # noqa: F401 - the last, as it need not be installed
