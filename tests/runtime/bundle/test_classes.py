import pytest

from cdul_edge_runtime.bundle.classes import ClassList, name_some
from cdul_edge_runtime.errors import CdulEdgeError


def test_the_order_given_is_the_column_order() -> None:
    classes = ClassList(("zebra", "ant"))
    assert list(classes) == ["zebra", "ant"]
    assert classes.index("ant") == 1
    with pytest.raises(CdulEdgeError, match="no class 'bee': the classes are zebra, ant"):
        classes.index("bee")


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ((), "0 class"),
        (("cat",), "1 class"),
        (("cat", " "), "an empty name"),
        (("cat", "dog", "cat"), "twice: 'cat', 'cat'"),
        (("Cat", "dog", "cat"), "differ only in case: 'Cat', 'cat'"),
    ],
)
def test_a_list_that_cannot_be_columns_is_refused(names: tuple[str, ...], fault: str) -> None:
    with pytest.raises(CdulEdgeError, match=fault):
        ClassList(names)


def test_many_names_are_cut_short_with_their_number() -> None:
    assert name_some(["cat", "dog"], most=2) == "cat, dog"
    assert name_some(["cat", "dog", "hen", "cow"], most=2) == "cat, dog and 2 more"
