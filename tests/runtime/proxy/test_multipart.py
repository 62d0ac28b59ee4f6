"""Forms (audio, images): the `model` field is found wherever it stands, and only its value changes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.proxy.multipart_body import MultipartBody
from tests.support.gateway import gateway_before
from tests.support.raw_client import Answer, ask, client
from tests.support.raw_server import responding
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio

PATH = "/v1/audio/transcriptions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TYPE = {"content-type": "multipart/form-data; boundary=XyZ"}
Part = tuple[bytes, bytes]


def field(name: bytes, value: bytes) -> Part:
    return b'Content-Disposition: form-data; name="%s"' % name, value


MODEL = field(b"model", b"a/m")
SOUND = b"RIFF\0\xff\r\n--Xy\n--XyZ\r\n-\r\r\n--XyX\r\n" * 100
FILE = (b'Content-Disposition: form-data; name="file"; filename="a b.wav"\r\nContent-Type: audio/wav', SOUND)
PROMPT = field(b"prompt", "é\r\n".encode())


def form(parts: Sequence[Part], boundary: bytes = b"XyZ") -> bytes:
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, value) for head, value in parts)
    return body + b"--%s--\r\n" % boundary


async def sent_on(body: bytes, headers: dict[str, str] | None = None, path: str = PATH) -> bytes:
    """What the provider got for a form that is taken."""
    async with gateway_before(responding(OK)) as (machine, gateway):
        answer = await ask(gateway.port, path, body, headers or TYPE)
        assert answer.status == 200, answer.body
        [sent] = machine.requests
        return sent.body


async def refusal(body: bytes, headers: dict[str, str] | None = None) -> Answer:
    """What the client got for a form that is not."""
    async with gateway_before(responding(OK)) as (machine, gateway):
        answer = await ask(gateway.port, PATH, body, headers or TYPE)
        assert machine.requests == []
        return answer


@pytest.mark.parametrize(
    "parts", [(MODEL, FILE, PROMPT), (FILE, MODEL, PROMPT), (PROMPT, FILE, MODEL), (MODEL,)]
)
@pytest.mark.parametrize("path", [PATH, "/v1/images/edits"])
async def test_fault_27_the_model_is_replaced_wherever_it_is(parts: tuple[Part, ...], path: str) -> None:
    onward = [field(b"model", b"m") if part is MODEL else part for part in parts]
    assert await sent_on(form(parts), path=path) == form(onward)


async def test_fault_27_a_form_comes_chunked_and_in_any_parts() -> None:
    body = form((FILE, MODEL, PROMPT))
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TYPE['content-type']}\r\n"
    async with gateway_before(responding(OK)) as (machine, gateway), client(gateway.port) as browser:
        await browser.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 17):
            piece = body[start : start + 17]
            await browser.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            await turn()
        await browser.send(b"0\r\n\r\n")
        assert (await browser.answer()).status == 200
        assert machine.requests[0].body == form((FILE, field(b"model", b"m"), PROMPT))
        assert machine.requests[0].header(b"content-type") == [TYPE["content-type"].encode()]


async def test_fault_27_a_missing_model_is_400_and_on_a_pinned_path_nothing_is_missing() -> None:
    body = form((FILE, PROMPT))
    answer = await refusal(body)
    assert (answer.status, answer.code) == (400, "model_required")
    assert await sent_on(body, path=f"/providers/a{PATH}") == body


async def test_fault_27_a_repeated_model_is_400_even_if_it_says_the_same() -> None:
    for parts in ((MODEL, FILE, MODEL), (MODEL, field(b"model", b"a/n"))):
        answer = await refusal(form(parts))
        assert (answer.status, answer.code) == (400, "model_required")


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="model"; filename="x"',
        b'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: quoted-printable',
        b'Content-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: base64',
        b"Content-Disposition: form-data; name=\"model\"; filename*=utf-8''x",
    ],
)
async def test_fault_27_a_model_that_is_no_plain_field_is_400(head: bytes) -> None:
    answer = await refusal(form(((head, b"a/m"),)))
    assert (answer.status, answer.code) == (400, "model_required")


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="Model"',
        b'Content-Disposition: form-data; name="mod\\el"',
        b'Content-Disposition: form-data; name=" model "',
        b'Content-Disposition: form-data; name="x"; name="model"',
        b"Content-Disposition: form-data; name*=utf-8''model",
        b'Content-Disposition: form-data; name*0="mo"; name*1="del"',
        b'Content-Disposition: attachment; name="model"',
        b'Content-Disposition: form-data; name="x',
        b"Content-Disposition: form-data",
        b'Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="model"',
        b'Content-Type: text/plain; name="model"',
        b'Content-Disposition: form-data; name="x"\nContent-Disposition: form-data; name="model"',
    ],
)
async def test_fault_27_a_part_that_another_reader_could_take_for_the_model_is_400(head: bytes) -> None:
    answer = await refusal(form((MODEL, (head, b"a/n"))))
    assert (answer.status, answer.code) == (400, "invalid_multipart")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"model=a/m", None),
        (form((MODEL,))[:-10], None),
        (form((MODEL,), b"other"), None),
        (form((MODEL,)), "multipart/form-data"),
        (form((MODEL,)), "multipart/form-data; boundary="),
        (form((MODEL,)), "multipart/form-data; boundary=XyZ; boundary=other"),
        (form((MODEL,)), "multipart/form-data; boundary*=utf-8''XyZ"),
        (form((MODEL,), b"x" * 100), "multipart/form-data; boundary=" + "x" * 100),
        (form(((b"X" * 10_000 + b": 1", b""),)), None),
        (form(((b"\r\n".join(b"X: 1" for _ in range(100)), b""),)), None),
    ],
)
async def test_fault_27_what_is_no_form_is_400(body: bytes, content_type: str | None) -> None:
    answer = await refusal(body, {"content-type": content_type} if content_type else TYPE)
    assert (answer.status, answer.code) == (400, "invalid_multipart")


async def test_fault_27_a_model_that_is_not_text_or_endless_is_400() -> None:
    for value in (b"\xff", b"a" * 1_000_000):
        answer = await refusal(form((field(b"model", value),)))
        assert (answer.status, answer.code) == (400, "model_required")


async def test_fault_27_what_is_before_and_after_the_form_is_left_out() -> None:
    body = form((MODEL,))
    onward = form((field(b"model", b"m"),))
    assert await sent_on(b"\r\n" + body) == onward
    assert (
        await sent_on(body + b'--XyZ\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n') == onward
    )


async def test_fault_27_a_quoted_boundary_is_read() -> None:
    quoted = {"content-type": 'Multipart/Form-Data; charset=utf-8; boundary="a b:c"'}
    assert await sent_on(form((MODEL,), b"a b:c"), quoted) == form((field(b"model", b"m"),), b"a b:c")


async def test_fault_27_a_form_over_the_limit_is_413() -> None:
    async with gateway_before(responding(OK), limits={"body": 5_000}) as (machine, gateway):
        answer = await ask(gateway.port, PATH, form((FILE, MODEL, FILE, FILE)), TYPE)
        assert (answer.status, answer.code) == (413, "body_too_large")
        assert machine.requests == []


def test_fault_27_a_large_file_is_not_held_in_memory() -> None:
    piece = b"x" * 100_000
    tracemalloc.start()
    body = MultipartBody(b"XyZ")
    body.feed(form((FILE,)).removesuffix(b"--XyZ--\r\n") + b"--XyZ\r\n" + FILE[0] + b"\r\n\r\n")
    for _ in range(500):
        body.feed(piece)
    body.feed(b"\r\n" + form((MODEL,)))
    body.finish(50_000_000)
    assert body.model == "a/m"
    assert body.naming("m").length > 50_000_000
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    body.close()


values = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"\r\n--Xy", b"\r\n--XyZ", b"\r\n", b"--XyZ--", b"\r", b"-"])
)


@given(before=st.lists(values, max_size=2), after=st.lists(values, max_size=2), data=st.data())
@settings(deadline=None)
async def test_fault_27_any_split_of_a_form_gives_the_same(
    before: list[bytes], after: list[bytes], data: st.DataObject
) -> None:
    parts = [field(b"x", value.replace(b"\r\n--XyZ", b"")) for value in before + after]
    body = form((*parts[: len(before)], MODEL, *parts[len(before) :]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    taken = MultipartBody(b"XyZ")
    try:
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
            taken.feed(body[start:end])
        taken.finish(len(body))
        assert taken.model == "a/m"
        onward = taken.naming("other")
        twice = [b"".join([piece async for piece in onward]) for _ in range(2)]
        expected = form((*parts[: len(before)], field(b"model", b"other"), *parts[len(before) :]))
        assert twice == [expected, expected]
        assert onward.length == len(expected)
        assert b"".join([piece async for piece in taken.unchanged()]) == body
    finally:
        taken.close()
