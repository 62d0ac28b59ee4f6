"""Apply a behaviour's faults to responses: errors, redirects, other lists, compression."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from random import Random

from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.reply import Reply
from fleet_runtime.simulator.spec import Behaviour
from fleet_runtime.simulator.wire import Headers, ResponseWriter


def disturbed(behaviour: Behaviour, product: Product, chance: Random) -> Reply | None:
    """Return the redirect or error that takes the place of a response; None for none."""
    if behaviour.redirect_to is not None:
        location = ("Location", behaviour.redirect_to)
        return Reply(behaviour.redirect_status, b"", "text/html; charset=utf-8", (location,))
    if behaviour.error_status is None or chance.random() >= behaviour.error_rate:
        return None
    extra = (("Retry-After", behaviour.retry_after),) if behaviour.retry_after is not None else ()
    if behaviour.error_body is not None:
        return Reply(behaviour.error_status, behaviour.error_body.encode(), behaviour.error_type, extra)
    reply = product.error(behaviour.error_status, "simulated error")
    return replace(reply, extra=(*reply.extra, *extra))


def replaced_list(behaviour: Behaviour) -> Reply | None:
    """Return the replacement of the model list; None for the server's own."""
    if behaviour.list_endless:
        return Reply(behaviour.list_status, _endless(), behaviour.list_type)
    if behaviour.list_body is None and behaviour.list_status == 200:
        return None
    body = (behaviour.list_body or "").encode("utf-8", "surrogatepass")
    return Reply(behaviour.list_status, body, behaviour.list_type)


async def send(writer: ResponseWriter, reply: Reply, headers: Callable[[Reply], Headers]) -> None:
    """Write a reply; the headers of a stream go out with its first chunk, as servers of models do it."""
    if isinstance(reply.body, bytes):
        await writer.write_head(reply.status, headers(reply), reply.body)
        return
    started = False
    async with aclosing(reply.body) as chunks:
        async for chunk in chunks:
            if not started:
                await writer.write_head(reply.status, headers(reply))
                started = True
            await writer.write_chunk(chunk)
    if not started:
        await writer.write_head(reply.status, headers(reply))
    await writer.end()


def compressed(reply: Reply) -> Reply:
    extra = (*reply.extra, ("Content-Encoding", "gzip"))
    if isinstance(reply.body, bytes):
        return replace(reply, body=gzip.compress(reply.body, mtime=0), extra=extra)
    return replace(reply, body=_compressed_chunks(reply.body), extra=extra)


async def _compressed_chunks(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    compressor = zlib.compressobj(wbits=31)
    async with aclosing(chunks):
        async for chunk in chunks:
            yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


async def _endless() -> AsyncGenerator[bytes, None]:
    yield b'{"object":"list","data":['
    while True:
        yield b'{"id":"one-more","object":"model"},' * 1000
