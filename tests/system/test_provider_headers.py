"""Headers and passwords of a provider: by reference, with every request to it, and to nobody else."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import run_fleet
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

MODELS = (SimulatedModel("qwen3-8b"),)
NAMES = ("access", "basic", "plain")
SECRETS = {"CF_ID": "id-canary", "CF_SECRET": "secret-canary", "PASSWORD": "password-canary"}
BASIC = "Basic " + b64encode(b"fleet:password-canary").decode()


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: plain
providers:
  access:
    url: "{machines.url("access")}"
    headers: {{CF-Access-Client-Id: {{env: CF_ID}}, CF-Access-Client-Secret: {{file: secret.txt}}}}
  basic: {{url: "{machines.url("basic")}", basic_auth: {{user: fleet, password: {{env: PASSWORD}}}}}}
  plain: "{machines.url("plain")}"
  unset: {{url: "{machines.url("plain")}", headers: {{X-Token: {{env: NOT_SET}}}}}}
surfaces: {{chat: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("headers")
    (folder / "secret.txt").write_text("secret-canary\n", encoding="utf-8")
    specs = [ServerSpec(name, models=MODELS) for name in NAMES]
    with running_stack(folder, specs, fleet_yaml, SECRETS, online=NAMES) as stack:
        yield stack


def sent(stack: Stack, name: str) -> list[dict[str, str]]:
    """Return the headers of every request that a provider got, probes among them."""
    return [
        {field.decode("latin-1").lower(): value.decode("latin-1") for field, value in record.request.headers}
        for record in stack.machines.records(name)
    ]


def test_every_request_to_a_provider_has_its_headers_and_none_to_another(stack: Stack) -> None:
    for name in NAMES:
        stack.chat(f"{name}/qwen3-8b", "chat").raise_for_status()
    for headers in sent(stack, "access"):
        assert headers["cf-access-client-id"] == "id-canary"
        assert headers["cf-access-client-secret"] == "secret-canary"
    assert {headers.get("authorization") for headers in sent(stack, "basic")} == {BASIC}
    for name, foreign in (("plain", ""), ("basic", "cf-"), ("access", "authorization")):
        for headers in sent(stack, name):
            assert not any(field.startswith(foreign) for field in headers if foreign)
            assert name != "plain" or "canary" not in json.dumps(headers)
            assert name != "plain" or "authorization" not in headers


def test_no_secret_is_in_a_file_a_log_or_the_api(stack: Stack) -> None:
    generated = "".join(
        file.read_text(encoding="utf-8") for file in stack.folder.rglob("generated/**/*") if file.is_file()
    )
    said = stack.client.get("/api/fleet").text + stack.client.get("/api/activity").text
    for text in (generated, said, stack.log):
        assert "canary" not in text
        assert BASIC not in text


def test_a_provider_without_its_secret_is_disabled_and_says_which(stack: Stack) -> None:
    eventually(lambda: stack.status("unset") == "disabled")
    response = stack.chat("unset/qwen3-8b", "chat")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "provider_disabled")
    providers = stack.client.get("/api/fleet").json()["providers"]
    (reason,) = (each["reason"] for each in providers if each["name"] == "unset")
    assert "'NOT_SET'" in reason


def test_a_lock_sends_them_too(stack: Stack) -> None:
    before = {name: len(stack.machines.records(name)) for name in ("access", "basic")}
    locked = run_fleet("lock", "access", "basic", cwd=stack.folder, env=SECRETS)
    assert locked.returncode == 0, locked.stderr
    fleet = [
        each for each in sent(stack, "access")[before["access"] :] if "python" in each.get("user-agent", "")
    ]
    assert all(headers["cf-access-client-secret"] == "secret-canary" for headers in fleet)
    assert "canary" not in locked.stdout + locked.stderr + (stack.folder / "fleet.lock").read_text()
