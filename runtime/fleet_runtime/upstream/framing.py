"""How the body of an answer is framed (RFC 9112, section 6.3), on the strict side: the parser refuses
repeated and conflicting lengths, this refuses every transfer coding but one 'chunked'."""

from __future__ import annotations

from collections.abc import Iterable


def body_length(status: int, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int | None, bool]:
    """The declared length of a final answer's body, and whether its connection's end is the body's, for
    want of a length and of chunks. ValueError says what is wrong with the answer."""
    if not 200 <= status <= 599:
        raise ValueError(f"answered with status {status}")
    length: int | None = None
    chunked = False
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            length = int(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise ValueError("sent a transfer-encoding other than 'chunked'")
            chunked = True
    return length, length is None and not chunked
