import pytest

from cdul_edge_runtime.bundle.classes import ClassList, fold_class, name_some, own_spelling
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
        (("caf\u00e9", "dog", "cafe\u0301"), "twice: "),
    ],
)
def test_a_list_that_cannot_be_columns_is_refused(names: tuple[str, ...], fault: str) -> None:
    with pytest.raises(CdulEdgeError, match=fault):
        ClassList(names)


def test_many_names_are_cut_short_with_their_number() -> None:
    assert name_some(["cat", "dog"], most=2) == "cat, dog"
    assert name_some(["cat", "dog", "hen", "cow"], most=2) == "cat, dog and 2 more"


def test_a_class_is_known_however_its_accents_are_composed() -> None:
    classes = ClassList(("caf\u00e9", "th\u00e9"))
    assert classes.index("the\u0301") == 1
    assert own_spelling("the\u0301", classes) == "th\u00e9"
    assert own_spelling("the", classes) == "the"


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Dining-Table", "dining_table"),
        ("dining\u00a0table", "diningtable"),
        ("caf\u00e9", "CAFE\u0301"),
        ("cat\u200b", "cat"),
    ],
)
def test_folded_names_are_equal_where_a_reader_sees_no_difference(name: str, same: str) -> None:
    assert fold_class(name) == fold_class(same)


def test_folded_names_keep_what_tells_them_apart() -> None:
    assert len({fold_class(name) for name in ("c", "c++", "c#", "cafe", "caf\u00e9")}) == 5
