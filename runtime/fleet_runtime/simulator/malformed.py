"""Malformed streams of server-sent events as real servers send them, made from a clean one."""

from __future__ import annotations

import codecs

from fleet_runtime.simulator.shapes.chat import DONE
from fleet_runtime.simulator.spec import Malformation

HUGE_LINE = 1 << 20


def malform(pieces: list[bytes], how: Malformation) -> list[bytes]:
    """The same stream, written `how`."""
    clean = b"".join(pieces)
    events = [event + b"\n\n" for event in clean.split(b"\n\n") if event]
    match how:
        case "crlf":
            return [piece.replace(b"\n", b"\r\n") for piece in pieces]
        case "no-space":
            return [piece.replace(b"data: ", b"data:") for piece in pieces]
        case "multi-line":
            return [event.replace(b"data: {", b"data: {\ndata: ", 1) for event in events]
        case "no-trailing-newline":
            return [*pieces[:-1], pieces[-1].rstrip(b"\n")]
        case "bom":
            return [codecs.BOM_UTF8 + pieces[0], *pieces[1:]]
        case "huge-line":
            return [events[0], b": " + b"x" * HUGE_LINE + b"\n\n", *events[1:]]
        case "split-utf8":
            text = clean.replace(b'"content":"', '"content":"żółć🦙'.encode())
            return [text[at : at + 1] if at < 600 else text[at:] for at in range(min(len(text), 601))]
        case "two-events":
            return [b"".join(events[at : at + 2]) for at in range(0, len(events), 2)]
        case "after-done":
            return [*pieces, events[0]]
        case "no-done":
            return [piece for piece in pieces if piece != DONE]
        case "comments":
            return [part for event in events for part in (b":\n\n", event)]
        case "raw-error":
            return [
                events[0],
                b'{"src":"llama-swap","error":{"message":"load failed","type":"server_error"}}\n',
            ]
        case "error-event":
            return [
                events[0],
                b'data: {"error":{"code":500,"message":"decode failed","type":"server_error"}}\n\n',
            ]
        case "bad-json":
            return [events[0], b'data: {"choices":[{"delta":\n\n', *events[1:]]
