"""A client of a language server (LSP 3.17, JSON-RPC over standard input and output), as an editor is one."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

SETTINGS = {"yaml": {"schemaStore": {"enable": False}, "validate": True, "hover": True, "completion": True}}
"""Without the schema store nothing is fetched from anywhere."""

CURSOR = "^"
PATIENCE_SECONDS = 60.0


class Editor:
    """One editor and its server. A text may hold a `CURSOR`, which is where one asks."""

    def __init__(self, folder: Path, said: IO[bytes], told: IO[bytes]) -> None:
        self._folder = folder
        self._said = said
        self._told = told
        self._numbers = itertools.count(1)
        self._findings: dict[str, list[dict[str, Any]]] = {}
        self._call(
            "initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": _CAPABILITIES}
        )
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": SETTINGS})

    def findings(self, text: str) -> list[tuple[int, str]]:
        """The line, from 0, and the message of everything that the server finds wrong."""
        found = self._findings[self._open(text)]
        return [(finding["range"]["start"]["line"], finding["message"]) for finding in found]

    def completions(self, text: str) -> list[str]:
        answer = self._at_cursor("textDocument/completion", text)
        return [item["label"] for item in answer["items"]]

    def hover(self, text: str) -> str:
        shown: str = self._at_cursor("textDocument/hover", text)["contents"]["value"]
        return shown

    def _at_cursor(self, method: str, text: str) -> Any:
        before, _, after = text.partition(CURSOR)
        position = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return self._call(method, {"textDocument": {"uri": self._open(before + after)}, "position": position})

    def _open(self, text: str) -> str:
        """The URI of a new file with this text, once the server has said what it finds there."""
        path = self._folder / f"fleet-{next(self._numbers)}.yaml"
        path.write_text(text, encoding="utf-8")
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})
        while path.as_uri() not in self._findings:
            self._next()
        return path.as_uri()

    def _call(self, method: str, parameters: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                return message["result"]

    def _notify(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _next(self) -> dict[str, Any]:
        """The server's next message; its own questions are answered on the way."""
        length = 0
        while (line := self._said.readline()) != b"\r\n":
            assert line, "the language server ended"
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: dict[str, Any] = json.loads(self._said.read(length))
        method, parameters = message.get("method"), message.get("params", {})
        if method == "textDocument/publishDiagnostics":
            self._findings[parameters["uri"]] = parameters["diagnostics"]
        elif method == "workspace/configuration":
            settings = [SETTINGS.get(item.get("section")) for item in parameters["items"]]
            self._send({"id": message["id"], "result": settings})
        elif method is not None and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._told.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self._told.flush()


_CAPABILITIES = {
    "textDocument": {"completion": {}, "hover": {"contentFormat": ["markdown"]}, "publishDiagnostics": {}},
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
}


@contextlib.contextmanager
def editing(command: Sequence[str], folder: Path) -> Iterator[Editor]:
    """An editor with `folder` open; its server ends with the block, or where it falls silent."""
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        patience = threading.Timer(PATIENCE_SECONDS, process.kill)
        patience.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            yield Editor(folder, process.stdout, process.stdin)
        finally:
            patience.cancel()
            process.kill()
