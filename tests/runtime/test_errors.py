import pytest

from cdul_edge_runtime.errors import CdulEdgeError, ImageError, MissingExtraError, extra_imports


def test_a_missing_package_becomes_one_line_with_the_install_command() -> None:
    with pytest.raises(MissingExtraError) as caught, extra_imports("train", "training"):
        import a_package_nobody_has.inner  # type: ignore[import-not-found]  # noqa: F401
    assert str(caught.value) == (
        "training needs a_package_nobody_has, which is not installed: "
        'pip install "cdul-edge[train]"'
    )


def test_a_missing_module_of_our_own_stays_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError), extra_imports("train", "training"):
        import cdul_edge_runtime.nowhere  # type: ignore[import-not-found]  # noqa: F401


def test_an_image_error_keeps_path_and_reason_apart() -> None:
    error = ImageError("a/b.jpg", "is empty (0 bytes)")
    assert isinstance(error, CdulEdgeError)
    assert (error.path, error.reason) == ("a/b.jpg", "is empty (0 bytes)")
    assert str(error) == "a/b.jpg: is empty (0 bytes)"
