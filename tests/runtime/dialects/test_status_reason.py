"""Reasons are values; one function words them, one says what to do (fleet_runtime.dialects.status_reason)."""

from __future__ import annotations

import ssl
from typing import get_args

import pytest

from fleet_runtime.dialects.status_reason import (
    ReasonCode,
    StatusReason,
    connect_reason,
    reason_remedy,
    reason_text,
)

URL = "http://100.64.0.7:8080"


@pytest.mark.parametrize("code", get_args(ReasonCode))
def test_every_code_has_a_sentence_and_a_remedy_without_gaps(code: ReasonCode) -> None:
    reason = StatusReason(code, "/models", 500, 2.0, 5000, 2000, file="box.pem", detail="a word")
    told = (reason_text(reason), reason_remedy(reason, URL))
    assert all(told)
    assert not any("{" in text or "None" in text for text in told)


def test_a_sentence_holds_the_fields_that_are_its_own() -> None:
    assert reason_text(StatusReason("no_response", "/models", seconds=2.0)) == (
        "did not respond to '/models' within 2 s"
    )
    assert (
        reason_text(StatusReason("key_unset", env="BOX_KEY")) == "environment variable 'BOX_KEY' is not set"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://100.64.0.7:11434", "OLLAMA_HOST=0.0.0.0"),
        ("http://box.lan:1234", "Serve on Local Network"),
        ("http://127.0.0.1:11434", "curl -i http://127.0.0.1:11434/v1/models"),
        ("http://localhost:1234", "curl -i"),
        ("http://box.lan:8080", "curl -i"),
    ],
)
def test_a_refused_connection_to_a_port_that_listens_only_locally_by_default_says_so(
    url: str, said: str
) -> None:
    assert said in reason_remedy(StatusReason("connection_refused"), url)


def test_an_untrusted_certificate_names_ca_file_and_verify_wherever_it_is_reported() -> None:
    reason = StatusReason("certificate_untrusted", detail="self-signed certificate")
    for told in (reason_text(reason), reason_remedy(reason, URL)):
        assert "ca_file" in told
        assert "verify" in told


def test_an_unknown_host_is_reported_with_the_name_to_look_up() -> None:
    remedy = reason_remedy(StatusReason("host_unknown", detail="no such name"), "http://box.lan:8080")
    assert "`getent hosts box.lan`" in remedy


def test_errors_of_the_system_and_of_tls_become_codes() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert connect_reason(plain) == StatusReason("tls_not_spoken")
    assert connect_reason(ConnectionRefusedError(111, "x")) == StatusReason("connection_refused")
    assert connect_reason(OSError(113, "x")) == StatusReason("connect_failed", detail="no route to host")
