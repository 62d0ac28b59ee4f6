"""Declare an operation of the API by one function: routing, parsing, response and description.

The function's parameters are those of the request: `Annotated` with `PathPart`, `Query` or `Header`, or a
shape for the body. Its return annotation is the shape of the response, or ``Annotated[Reply, ApiShape]`` if
it returns encoded bytes. Keys limited to surfaces open operations that take a `surface`, and those marked
`any_key`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter as Argument
from inspect import signature
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.errors import request_error

JSON: Final = "application/json"

_PLACEHOLDER: Final = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter with the name of the argument."""

    description: str
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header with the name of the argument, ``-`` for ``_``; `required` only affects the description."""

    description: str
    example: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class PathPart:
    """A part of the path, percent-decoded."""

    description: str
    example: str


Place: TypeAlias = Query | Header | PathPart


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation; its text is converted to `type`."""

    argument: str
    place: Place
    type: Any
    default: Any

    @property
    def name(self) -> str:
        return self.argument.replace("_", "-") if isinstance(self.place, Header) else self.argument

    @property
    def required(self) -> bool:
        return self.default is Argument.empty or (isinstance(self.place, Header) and self.place.required)

    def read(self, text: str | None) -> Any:
        """Convert `text`; raises `RequestError` if it is missing or not of the type."""
        if text is None:
            if self.default is Argument.empty:
                raise request_error("invalid_request", f"parameter '{self.name}' is missing", self.name)
            return self.default
        try:
            return msgspec.convert(text, self.type, strict=False)
        except msgspec.ValidationError as error:
            message = f"parameter '{self.name}': {error}"
            raise request_error("invalid_request", message, self.name) from None


@dataclass(frozen=True, slots=True)
class Reply:
    """An encoded response, with headers other than its content type and length."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    status: int = 200
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `errors` are its declared error codes; `shape` is None if the response is not
    JSON; `described` includes it in ``/openapi.json``; `any_key` opens it to every key."""

    method: str
    path: str
    summary: str
    handler: Callable[..., Awaitable[Any]]
    parameters: tuple[Parameter, ...]
    body: type[ApiShape] | None
    shape: type[ApiShape] | None
    errors: tuple[str, ...]
    described: bool
    any_key: bool
    pattern: re.Pattern[str] = field(repr=False)

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def takes_surface(self) -> bool:
        return any(parameter.name == "surface" for parameter in self.parameters)

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the parameters in `path` (percent-encoded), None if it is another path."""
        found = self.pattern.fullmatch(path)
        return None if found is None else found.groupdict()


def operation(
    method: str, path: str, summary: str, *errors: str, described: bool = True, any_key: bool = False
) -> Callable[[Callable[..., Awaitable[Any]]], Operation]:
    """Turn a function with a `Call` as its first argument into an operation; ``{name}`` in `path` is one
    segment, ``{name:path}`` the rest."""

    def declare(handler: Callable[..., Awaitable[Any]]) -> Operation:
        hints = get_type_hints(handler, include_extras=True)
        arguments = dict(list(signature(handler).parameters.items())[1:])
        bodies = [hints[name] for name in arguments if get_origin(hints[name]) is not Annotated]
        parameters = tuple(
            _parameter(name, hints[name], argument.default)
            for name, argument in arguments.items()
            if get_origin(hints[name]) is Annotated
        )
        return Operation(
            method,
            _PLACEHOLDER.sub(r"{\1}", path),
            summary,
            handler,
            parameters,
            bodies[0] if bodies else None,
            _shape(hints["return"]),
            errors,
            described,
            any_key,
            _pattern(path),
        )

    return declare


def _parameter(argument: str, hint: Any, default: Any) -> Parameter:
    base, *extras = get_args(hint)
    if isinstance(base, UnionType):  # else the text "null" would be read as None
        (base,) = (each for each in get_args(base) if each is not NoneType)
    (place,) = (extra for extra in extras if isinstance(extra, Query | Header | PathPart))
    for constraint in (extra for extra in extras if isinstance(extra, msgspec.Meta)):
        base = Annotated[base, constraint]
    return Parameter(argument, place, base, default)


def _shape(result: Any) -> type[ApiShape] | None:
    candidates = get_args(result) if get_origin(result) is Annotated else (result,)
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, ApiShape)), None)


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(path)
    pattern = re.escape(parts[0])
    for name, rest, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.*' if rest else '[^/]+'})" + re.escape(literal)
    return re.compile(pattern, re.DOTALL)
