import pytest

from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.paging import cut, decode_cursor, encode_cursor


def test_a_cursor_gives_back_what_it_was_made_of() -> None:
    assert decode_cursor(encode_cursor("2026-03-01", 7), (str, int)) == ("2026-03-01", 7)


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", encode_cursor(1, 2), encode_cursor("a"), "bnVsbA", "ÿ", encode_cursor("a", 2**63)]
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(cursor, (str, int))


def test_a_full_page_names_the_next_and_the_last_does_not() -> None:
    page, cursor = cut([1, 2, 3], 2, lambda n: (n,))
    assert (list(page), cursor) == ([1, 2], encode_cursor(2))
    assert cut([3], 2, lambda n: (n,)) == ([3], None)
