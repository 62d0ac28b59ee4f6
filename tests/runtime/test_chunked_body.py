"""The chunked coding in any division into parts; tests/system/test_two_parsers.py compares it with others."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.chunked_body import ChunkedBody, InvalidChunkError, OverheadError, size_line

pieces = st.lists(st.binary(min_size=1, max_size=300), max_size=8)
size_lines = st.sampled_from(["%x", "%X", "%04x", "%x;a=b"])


@given(pieces, st.lists(size_lines, min_size=8, max_size=8), st.lists(st.integers(0, 2600), max_size=6))
def test_any_division_of_a_body_gives_the_same_bytes(
    data: list[bytes], forms: list[str], cuts: list[int]
) -> None:
    chunks = [
        (form % len(piece)).encode() + b"\r\n" + piece + b"\r\n"
        for piece, form in zip(data, forms, strict=False)
    ]
    raw = b"".join(chunks) + b"0\r\n\r\nrest"
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    divided = [raw[start:end] for start, end in pairwise(edges)]
    for parts in (divided, [*chunks, b"0\r\n\r\nrest"]):
        body, taken, rest = ChunkedBody(1000), [], b""
        for part in parts:
            if not body.done:
                piece, rest = body.feed(part)
                taken.append(piece)
            else:
                rest += part
        assert body.done
        assert (b"".join(taken), rest) == (b"".join(data), b"rest")


@given(st.integers(1, 100_000))
def test_a_chunk_has_the_line_of_its_size(size: int) -> None:
    line = b"%x\r\n" % size
    assert size_line(len(line) + size + 2) == line


@pytest.mark.parametrize("total", [0, 1, 4, 5, 21, 262])
def test_no_chunk_begins_with_the_line_of_an_impossible_size(total: int) -> None:
    assert size_line(total) == b"\n"


@pytest.mark.parametrize("raw", [b"5\r\nhello\r\r", b"6\r\nhello\r\n", b"4\r\nhello\r\n", b"+5\r\nhello\r\n"])
def test_what_only_resembles_a_chunk_is_not_taken_for_one(raw: bytes) -> None:
    body = ChunkedBody(1000)
    with pytest.raises(InvalidChunkError):
        [body.feed(part) for part in (raw, b"\r\n\r\n\r\n")]


def test_what_is_valid_before_an_error_is_kept() -> None:
    with pytest.raises(InvalidChunkError) as error:
        ChunkedBody(1000).feed(b"5\r\nhello\r\n5\r\nworldX")
    assert error.value.valid == b"helloworld"


def test_extensions_are_bounded_by_the_data() -> None:
    body = ChunkedBody(100)
    for _ in range(1000):
        assert body.feed(b"64;" + b"x" * 90 + b"\r\n" + b"d" * 100 + b"\r\n") == (b"d" * 100, b"")
    with pytest.raises(OverheadError):
        [body.feed(b"1;" + b"x" * 90 + b"\r\nd\r\n") for _ in range(3)]
