"""Serve the console: the page at ``/`` and its files below ``/static/<digest>/``.

The digest covers all files together, so that every file's URL changes with any of them and can be cached
forever, while modules import each other by relative paths. Bare names of libraries are resolved by an import
map in the page, which the Content-Security-Policy allows by its hash. The files contain no data of a fleet
and need no key; all data comes from ``/api``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fleet_runtime.catalog.etag import TaggedBody, accepts_gzip
from fleet_runtime.edge.interfaces import PageResponse
from fleet_runtime.proxy.request_head import RequestHead

STATIC: Final = Path(__file__).parent / "static"

BARE_NAMES: Final = {
    "preact": "vendor/preact/preact.mjs",
    "preact/hooks": "vendor/preact/hooks.mjs",
    "htm": "vendor/htm/htm.mjs",
    "@preact/signals": "vendor/preact-signals/signals.module.js",
    "@preact/signals-core": "vendor/preact-signals-core/signals-core.module.js",
    "markdown-it": "vendor/markdown-it/markdown-it.esm.min.mjs",
}
"""Libraries that modules of the console import by name, and their files."""

_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
}
_UNSENT: Final = re.compile(rb"^ *(?://.*$|/\*\*(?:[^*]|\*(?!/))*\*/$|(?<= ))", re.MULTILINE)
"""Matches what is not sent: indentation, and comments that fill complete lines."""
_PREFIX: Final = b"/static/"
_SMALLEST_COMPRESSED: Final = 400
_GZIP_LEVEL: Final = 9

POLICY: Final = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify fleet",
)


@dataclass(slots=True)
class _File:
    """A body with its header lines, and its gzip form: `packed`, or compressed when first requested."""

    plain: TaggedBody
    block: bytes
    packed: bytes | None = None

    def gzipped(self) -> TaggedBody:
        if self.packed is None:
            self.packed = gzip.compress(self.plain.body, _GZIP_LEVEL, mtime=0)
        return TaggedBody(self.packed, f'{self.plain.tag[:-1]}-gzip"')


class ConsoleSite:
    """The files of one version of the console, read once."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """`files` by their path below ``static/``; ``index.html`` is the page, ``x.gz`` is ``x`` in gzip."""
        digest = hashlib.sha256()
        for path, body in sorted(files.items()):
            digest.update(b"%b\0%d\0%b" % (path.encode(), len(body), body))
        self.base = f"static/{digest.hexdigest()[:16]}/"
        imports = {name: f"./{self.base}{path}" for name, path in BARE_NAMES.items()}
        import_map = json.dumps({"imports": imports}, separators=(",", ":"))
        hashed = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
        self.policy = "; ".join((*POLICY[:1], f"script-src 'self' 'sha256-{hashed}'", *POLICY[1:]))
        guards = (
            f"content-security-policy: {self.policy}\r\n"
            "x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
        )
        page = files["index.html"].decode()
        modules = sorted(path for path in files if path.endswith(".js") and "vendor/" not in path)
        preloaded = "\n".join(
            f'<link rel="modulepreload" href="./{self.base}{path}">'
            for path in (*BARE_NAMES.values(), *(each for each in modules if each != "feed/worker.js"))
            if "markdown" not in path
        )
        page = page.replace("{imports}", import_map).replace("{preloaded}", preloaded)
        self._page = _file(page.replace("{base}", f"./{self.base}").encode(), ".html", guards + _FRESH)
        self._files = {
            f"/{self.base}{path}".encode(): _file(
                _compact(path, body), Path(path).suffix, guards + _IMMUTABLE, files.get(f"{path}.gz")
            )
            for path, body in files.items()
            if Path(path).suffix in _TYPES and path != "index.html"
        }

    @classmethod
    def load(cls, folder: Path = STATIC) -> Self:
        """Read every file of the folder."""
        files = (file for file in folder.rglob("*") if file.is_file())
        return cls({file.relative_to(folder).as_posix(): file.read_bytes() for file in files})

    def respond(self, head: RequestHead) -> PageResponse | None:
        """Return the response to a request for a part of the console; None if the path is not one.

        ``/`` is the page, except for clients that accept only JSON.
        """
        if head.method not in ("GET", "HEAD"):
            return None
        if head.path == b"/":
            return None if _wants_json(_header(head, b"accept")) else _respond(head, self._page)
        found = self._files.get(head.path) if head.path.startswith(_PREFIX) else None
        return None if found is None else _respond(head, found)


_FRESH: Final = "cache-control: no-cache\r\nvary: accept, accept-encoding\r\n"
_IMMUTABLE: Final = "cache-control: public, max-age=31536000, immutable\r\nvary: accept-encoding\r\n"


def _compact(path: str, body: bytes) -> bytes:
    """Return a module of the console without comments and indentation; its line numbers do not change."""
    if not path.endswith(".js") or path.startswith("vendor/"):
        return body
    return _UNSENT.sub(lambda found: b"\n" * found[0].count(b"\n"), body)


def _file(body: bytes, suffix: str, block: str, packed: bytes | None = None) -> _File:
    return _File(TaggedBody(body), f"content-type: {_TYPES[suffix]}\r\n{block}".encode(), packed)


def _respond(head: RequestHead, file: _File) -> PageResponse:
    compressed = len(file.plain.body) > _SMALLEST_COMPRESSED and accepts_gzip(
        _header(head, b"accept-encoding").decode("latin-1")
    )
    tagged = file.gzipped() if compressed else file.plain
    block = file.block + b"etag: %b\r\n" % tagged.tag.encode()
    if head.if_none_match is not None and tagged.matches(head.if_none_match.decode("latin-1")):
        return PageResponse(304, block, b"")
    if compressed:
        block += b"content-encoding: gzip\r\n"
    return PageResponse(200, block, tagged.body)


def _header(head: RequestHead, name: bytes) -> bytes:
    return b",".join(value for each, value in head.headers() if each == name)


def _wants_json(accept: bytes) -> bool:
    """Return whether an ``Accept`` header accepts JSON, but not HTML."""
    ranges = [each.partition(b";")[0].strip().lower() for each in accept.split(b",")]
    return b"application/json" in ranges and not {b"text/html", b"text/*", b"*/*"} & set(ranges)
