"""Render the templates of `outputs` in a separate process, with limits on time and memory.

A template may come from a pull request and be rendered in CI. It gets plain data in Jinja2's immutable
sandbox, without access to the internals of Python objects, a loader or our functions. The process limits what
the sandbox cannot: processor time, memory, and bytes of the result.

The process reads one JSON object from its standard input, ``{"view", "templates": [[name, text]]}``, and
writes a line of JSON for each template once it is done: a `Filled`.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2 import TemplateError as JinjaError
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS = 3
MEMORY = 512 * 1024**2
MAX_OUTPUT = 4 * 1024**2
"""CPU seconds and bytes of memory for all templates of a build, and bytes of one result."""
WALL_SECONDS = 60
"""Seconds until a process that gets no CPU time is killed."""
KEPT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
"""The only environment variables of the process, so that it gets no token of CI."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """The result of one template: its text, or the error with the template's line if known."""

    text: str | None
    message: str = ""
    line: int | None = None


def fill_templates(templates: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, Filled]:
    """Return the result of each template by name, up to the first that exceeds a limit."""
    request = json.dumps({"view": view, "templates": list(templates.items())}).encode()
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    command = (sys.executable, "-P", "-m", __name__)
    try:
        process = subprocess.run(  # noqa: S603
            command,
            input=request,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
            env=environ,
        )
        output = process.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    lines = [line for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
    filled = {name: Filled(**json.loads(line)) for name, line in zip(templates, lines, strict=False)}
    exhausted = next((name for name in templates if name not in filled), None)
    if exhausted is not None:
        filled[exhausted] = Filled(None, f"takes more than {SECONDS} s or {MEMORY // 1024**2} MiB")
    return filled


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox for a template that cannot include others."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not attr.startswith("_") and super().is_safe_attribute(obj, attr, value)


def _sandbox() -> _Sandbox:
    environment = _Sandbox(
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.pop("lipsum", None)  # random, so the same input would make other bytes
    environment.filters.pop("random", None)
    environment.filters["json"] = _ENCODER.encode
    environment.filters["shell"] = lambda value: shlex.quote(str(value))
    return environment


def fill(name: str, text: str, view: Mapping[str, Any]) -> Filled:
    """Return the result of one template."""
    environment = _sandbox()
    filename = f"<{name}>"
    try:
        code = environment.compile(text, name, filename)
        template = Template.from_code(environment, code, environment.make_globals(None))
        parts, size = [], 0
        for part in template.generate(view):
            size += len(part.encode())
            if size > MAX_OUTPUT:
                return Filled(None, f"renders more than {MAX_OUTPUT // 1024**2} MiB", None)
            parts.append(part)
    except TemplateSyntaxError as error:
        return Filled(None, str(error.message), error.lineno)
    except MemoryError:
        return Filled(None, f"takes more than {MEMORY // 1024**2} MiB", None)
    except Exception as error:
        return Filled(None, _reason(error), _line(error, filename))
    return Filled("".join(parts))


def _reason(error: Exception) -> str:
    if isinstance(error, SecurityError):
        return f"is not allowed in a template: {error.message or error}"
    if isinstance(error, TypeError) and str(error).startswith("no loader"):
        return "includes or imports another template: copy it into this one"
    message = error.message if isinstance(error, JinjaError) else str(error)
    return message or type(error).__name__


def _line(error: Exception, filename: str) -> int | None:
    """Return the template's line of an error, which Jinja2 puts into the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == filename), None)


def _limit() -> None:
    """Limit this process, as far as the system supports it (macOS has no memory limit)."""
    for limit, value in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))


def main() -> None:
    request = json.load(sys.stdin)
    _limit()
    for name, text in request["templates"]:
        print(json.dumps(asdict(fill(name, text, request["view"]))), flush=True)


if __name__ == "__main__":
    main()
