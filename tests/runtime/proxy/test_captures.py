"""What is kept of captured requests is bounded, and holds no credential."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.artifacts.gateway_parts import CaptureSettings
from fleet_runtime.proxy.capture import HEAD_LIMIT, Capture, CapturedBody, Captures
from fleet_runtime.proxy.capture_masking import Masking
from fleet_runtime.proxy.request_record import RequestRecord
from tests.support.heads import read_head

LINE = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a"


def begun(captures: Captures, head: bytes = LINE) -> Capture:
    return captures.begin(read_head(head), RequestRecord("id", None, "/v1/chat/completions"))


def test_a_running_request_that_falls_out_keeps_nothing_any_longer() -> None:
    captures = Captures(CaptureSettings(keep=2, body=10))
    first, second, third = (begun(captures) for _ in range(3))
    for capture in (first, second, third):
        capture.request.add(b"hello")
        capture.response.add(b"x" * 20)
    assert list(captures) == [third, second]
    assert (first.shown(first.request), first.request.size) == (b"", 5)
    assert (third.shown(third.request), third.shown(third.response)) == (b"hello", b"x" * 10)
    captures.close()
    third.request.add(b"more")
    assert (list(captures), third.shown(third.request), third.shown(third.response)) == ([], b"", b"")


@given(st.lists(st.binary(max_size=30)), st.integers(4, 60))
def test_of_a_body_the_beginning_and_the_last_lines_are_kept_within_the_limit(
    parts: list[bytes], limit: int
) -> None:
    body, masking = CapturedBody(limit), Masking()
    body.keep_end()
    for part in parts:
        body.add(part)
    whole, end = b"".join(parts), body.shown_end(masking)
    if len(whole) <= limit:
        assert (body.is_cut, body.shown(masking), end) == (False, whole, None)
    else:
        assert (body.is_cut, body.shown(masking)) == (True, whole[: limit - limit // 4])
        assert end is None or (whole.endswith(b"\n" + end) and len(end) < limit // 4)


def test_the_end_of_a_body_begins_with_an_event_because_a_credential_may_be_before_it() -> None:
    body, masking = CapturedBody(80), Masking()
    body.keep_end()
    body.add(b'data: {"api_key":"' + b"x" * 90 + b'"}\ndata: end\n')
    assert (body.shown(masking), body.shown_end(masking)) == (b'data: {"api_key":"***', b"data: end\n")
    body.mask(masking)
    assert (body.shown(masking), body.shown_end(masking)) == (b'data: {"api_key":"***', b"data: end\n")


def test_of_a_head_eight_kilobytes_are_kept() -> None:
    lines = b"".join(b"\r\nx-%d: %s" % (number, b"v" * 1000) for number in range(20))
    head = begun(Captures(CaptureSettings()), LINE + lines).request_head
    kept = sum(len(name) + len(value) for name, value in head.headers)
    assert HEAD_LIMIT - 1100 < kept <= HEAD_LIMIT
    assert head.omitted == 21 - len(head.headers)


def test_a_secret_that_is_known_late_is_masked_in_what_came_before() -> None:
    captures = Captures(CaptureSettings())
    capture = begun(captures, LINE + b"\r\nx-note: the key is provider-key-1")
    capture.request.add(b"provider-key-1")
    capture.send(b"POST / HTTP/1.1\r\nx-any: provider-key-1\r\n\r\n", 0, [(b"x-any", b"provider-key-1")])
    assert capture.shown(capture.request) == b"***"
    assert capture.sent is not None
    assert capture.sent.headers == ((b"x-any", b"***"),)
    assert capture.request_head.headers[1] == (b"x-note", b"the key is ***")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (b"authorization", b"Bearer abc", b"Bearer ***"),
        (b"Authorization", b"abc def", b"***"),
        (b"x-ratelimit-remaining-tokens", b"100", b"100"),
        (b"location", b"https://me:pass@host/?sig=abc&x=1", b"https://***@host/?sig=***&x=1"),
        (b"content-type", b"multipart/form-data; boundary=key", b"multipart/form-data; boundary=key"),
        (b"x-empty-token", b"", b""),
    ],
)
def test_the_value_of_a_header_is_shown_as(name: bytes, value: bytes, shown: bytes) -> None:
    assert Masking().header(name, value) == shown


@given(
    secret=st.text("abcdef0123456789-", min_size=8, max_size=40),
    before=st.binary(max_size=30),
    after=st.binary(max_size=30),
    cut=st.integers(0, 80),
)
def test_no_revealing_part_of_a_secret_is_left_in_a_body_wherever_it_is_cut(
    secret: str, before: bytes, after: bytes, cut: int
) -> None:
    masking, hidden = Masking(), secret.encode()
    masking.header(b"x-api-key", hidden)
    body = before + hidden + after
    shown = masking.body(body[:cut], is_cut=cut < len(body))
    assert hidden not in shown
    if len(before) + 4 <= cut < len(before) + len(hidden):
        assert not shown.endswith(hidden[: cut - len(before)])


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            b'{"tools":[{"authorization": "tok-123456"}],"x":"tok-123456"}',
            b'{"tools":[{"authorization": "***"}],"x":"***"}',
        ),
        (b'{"headers":{"Authorization":"Bearer abcdefgh"}}', b'{"headers":{"Authorization":"Bearer ***"}}'),
        (b'{"api_key":"a\\"b","n":1}', b'{"api_key":"***","n":1}'),
        (
            b'{"password":{"type":"string"},"token":"hello"}',
            b'{"password":{"type":"string"},"token":"hello"}',
        ),
        (b'{"content":"say {\\"api_key\\": \\"x\\"}"}', b'{"content":"say {\\"api_key\\": \\"x\\"}"}'),
    ],
)
def test_a_member_of_a_body_that_holds_a_credential_is_masked_and_a_prompt_is_not(
    body: bytes, shown: bytes
) -> None:
    assert Masking().body(body, is_cut=False) == shown


def test_a_credential_in_a_body_is_masked_where_the_body_is_cut() -> None:
    assert Masking().body(b'{"api_key":"abcdefghi', is_cut=True) == b'{"api_key":"***'
