"""Reasons for a provider's status: a code with fields, and their texts.

Code compares codes and fields; sentences are only made for output (API, log, terminal). No field contains
text from a client; from a server, only a status and a content encoding.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from fleet_runtime.artifacts.contract import ProviderStatus

ReasonCode = Literal[
    "disabled",
    "key_unset",
    "key_unreadable",
    "key_empty",
    "key_invalid",
    "ca_file_unusable",
    "connection_refused",
    "connect_timeout",
    "connect_failed",
    "host_unknown",
    "certificate_untrusted",
    "tls_failed",
    "tls_not_spoken",
    "no_response",
    "incomplete_response",
    "connection_closed",
    "invalid_http",
    "probe_timeout",
    "redirected",
    "response_too_large",
    "encoded_response",
    "key_rejected",
    "host_rejected",
    "loading",
    "disk_full",
    "unexpected_status",
    "not_json",
    "no_model_list",
    "too_many_models",
    "emptied",
    "sidecar_unreachable",
    "wake_failed",
    "wake_impossible",
]

UNSENT: frozenset[ReasonCode] = frozenset(
    ("disabled", "key_unset", "key_unreadable", "key_empty", "key_invalid", "ca_file_unusable")
)
"""The codes of a provider that nothing is sent to, because of what is configured or missing here."""

_TEXTS: Mapping[ReasonCode, str] = {
    "disabled": "disabled in fleet.yaml",
    "key_unset": "{place} is not set",
    "key_unreadable": "{place} {detail}",
    "key_empty": "{place} is empty",
    "key_invalid": "{place} does not hold a key (one word of printable ASCII)",
    "ca_file_unusable": "ca_file '{file}' cannot be used",
    "connection_refused": "connection refused",
    "connect_timeout": "no connection within {seconds:g} s",
    "connect_failed": "cannot be reached: {detail}",
    "host_unknown": "its host name cannot be resolved: {detail}",
    "certificate_untrusted": "its certificate is not trusted: {detail} (set `ca_file`, or `verify: false`)",
    "tls_failed": "TLS failed: {detail}",
    "tls_not_spoken": "it does not speak TLS: try http://",
    "no_response": "did not respond to '{path}' within {seconds:g} s",
    "incomplete_response": "did not send the complete response to '{path}' within {seconds:g} s",
    "connection_closed": "closed the connection before its response to '{path}' was complete",
    "invalid_http": "did not respond to '{path}' in valid HTTP",
    "probe_timeout": "did not complete the probe within {seconds:g} s",
    "redirected": "'{path}' returned a redirect ({status}), which is not followed",
    "response_too_large": "'{path}' returned more than {limit} bytes",
    "encoded_response": "'{path}' returned content-encoding '{detail}', though 'identity' was requested",
    "key_rejected": "'{path}' returned {status}: the API key is missing or rejected",
    "host_rejected": "'{path}' returned {status}: the request's Host is rejected",
    "loading": "loading",
    "disk_full": "'{path}' returned {status}: no space left on its disk",
    "unexpected_status": "'{path}' returned {status}",
    "not_json": "'{path}' returned {detail} instead of a model list",
    "no_model_list": "'{path}' returned JSON without a model list",
    "too_many_models": "'{path}' returned {count} models, and at most {limit} are read",
    "emptied": "its model list is empty at the moment; the models listed before are kept",
    "sidecar_unreachable": "the sidecar does not respond",
    "wake_failed": "it was woken but did not respond within {seconds:g} s",
    "wake_impossible": "it could not be woken: {detail}",
}

_REMEDIES: Mapping[ReasonCode, str] = {
    "disabled": "remove `enabled: false` from fleet.yaml, then `fleet build`, to use it",
    "key_unreadable": "write the key to the file (`ls -l {file}`), then `systemctl reload fleet`",
    "key_empty": "write the key to the file (`ls -l {file}`), then `systemctl reload fleet`",
    "ca_file_unusable": "correct `ca_file` in fleet.yaml (`openssl x509 -in {file}`), then `fleet build`",
    "connection_refused": "start it, or correct its `url`; `curl -i {url}/v1/models`",
    "host_unknown": "correct its `url`, or use the address; `getent hosts {host}` on the gateway's computer",
    "certificate_untrusted": "set `ca_file: FILE` to its certificate authority, or `verify: false`",
    "tls_not_spoken": "write `url: http://…` in fleet.yaml, then `fleet build`",
    "redirected": "set `url` to where `curl -i {url}/v1/models` redirects",
    "key_rejected": "add `api_key_env: NAME` to it in fleet.yaml, or correct the key that it names;"
    " `curl -i {url}/v1/models`",
    "host_rejected": "start Ollama with `OLLAMA_HOST=0.0.0.0 ollama serve`; it then accepts any Host",
    "loading": "wait until it has loaded, then `fleet status`",
    "disk_full": "free space on its disk (`df -h` there)",
}
_SET_VARIABLE = "`export {env}=…` where `fleet serve` is started, then restart it"
_LISTEN_OLLAMA = (
    "start it with `OLLAMA_HOST=0.0.0.0 ollama serve`: by default only its own computer reaches it"
)
_LISTEN_LM_STUDIO = (
    "turn on `Serve on Local Network` in LM Studio: by default only its own computer reaches it"
)
_DEFAULT_REMEDY = "`curl -i {url}/v1/models` shows what it returns"


_NOT_TLS = ("wrong version number", "record layer failure", "unknown protocol")
"""What OpenSSL 1.1 to 3.5 say of a response in plain text."""


@dataclass(frozen=True, slots=True)
class StatusReason:
    """`path` is the path of the request (``/models``), `status` the status of its response, `seconds` the
    limit that passed, `count` and `limit` are bytes or models. `env` and `file` say where a key or a
    certificate is looked for. `detail` is a word of the system or of the protocol: what the resolver or the
    TLS library says, the kind of a body, a content encoding."""

    code: ReasonCode
    path: str = ""
    status: int = 0
    seconds: float = 0.0
    count: int = 0
    limit: int = 0
    env: str | None = None
    file: str | None = None
    detail: str = ""


def connect_reason(error: Exception) -> StatusReason:
    """Return why a connection failed, from the system's or the TLS library's error (`error` or its cause)."""
    import ssl  # with its 10 ms, only where something connects

    if isinstance(error, ssl.SSLCertVerificationError):
        return StatusReason("certificate_untrusted", detail=error.verify_message.lower())
    if isinstance(error, ssl.SSLError):
        detail = (error.reason or str(error)).lower().replace("_", " ")
        not_tls = any(sign in detail for sign in _NOT_TLS)
        return StatusReason("tls_not_spoken") if not_tls else StatusReason("tls_failed", detail=detail)
    if isinstance(error, ConnectionRefusedError):
        return StatusReason("connection_refused")
    number = error.errno if isinstance(error, OSError) else None
    return StatusReason("connect_failed", detail=(os.strerror(number) if number else str(error)).lower())


def status_word(status: ProviderStatus, reason: object) -> str:
    """Return the word for a status in a text for people.

    That is ``failing`` if the last probe or request failed, whatever the status says in its grace, and if the
    provider responds incorrectly or its sidecar does not respond.
    """
    is_failing = status == "degraded" or (status == "online" and reason is not None)
    return "failing" if is_failing else status


def reason_text(reason: StatusReason) -> str:
    """Return the sentence for people; it follows the provider's name and a colon."""
    place = f"environment variable '{reason.env}'" if reason.env is not None else f"file '{reason.file}'"
    return _TEXTS[reason.code].format(place=place, **asdict(reason))


def reason_remedy(reason: StatusReason, url: str) -> str:
    """Return what to do about it, for the provider at `url`; it holds something to type, in backticks."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    template = _REMEDIES.get(reason.code, _DEFAULT_REMEDY)
    if reason.code == "connection_refused" and not _is_this_computer(host):
        template = {11434: _LISTEN_OLLAMA, 1234: _LISTEN_LM_STUDIO}.get(parts.port or 0, template)
    if reason.env is not None:
        template = _SET_VARIABLE
    return template.format(url=url, host=host, env=reason.env, file=reason.file)


def _is_this_computer(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
