"""What all messages share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.text import count, escape, join_names, join_words, quote, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("büro 日本 🚀", "büro 日本 🚀"),
        ("C:\\Users", "C:\\Users"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        ("abc\u202edcb", "abc\\u202edcb"),
        ("a\u2028b\ud800", "a\\u2028b\\ud800"),
        ("no\xa0break", "no\\xa0break"),
    ],
)
def test_text_from_outside_shows_what_a_terminal_would_obey(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text(st.characters()))
def test_escaped_text_is_printable_and_stays_so(text: str) -> None:
    assert escape(text).isprintable()
    assert escape(escape(text)) == escape(text)


def test_a_long_name_is_cut_before_it_is_escaped() -> None:
    assert quote("x" * 60) == "'" + "x" * 60 + "'"
    assert quote("x" * 61) == "'" + "x" * 59 + "…'"
    assert shorten("\x1b" * 10, 4) == "\\x1b\\x1b\\x1b…"


def test_a_number_agrees_with_its_noun() -> None:
    assert [count(n, "model") for n in (0, 1, 2)] == ["0 models", "1 model", "2 models"]
    assert count(2, "entry", "entries") == "2 entries"


def test_lists_of_names_read_as_a_sentence() -> None:
    assert join_names([]) == ""
    assert join_names(["a"]) == "'a'"
    assert join_names(["a", "b"], "or") == "'a' or 'b'"
    assert join_names("abc") == "'a', 'b' and 'c'"
    assert join_names("abcde", limit=3) == "'a', 'b', 'c' and 2 more"
    assert join_words(["one thing", "another"], limit=3) == "one thing and another"
