"""The automatic tour of the demo: each step is executed, printed and checked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from fleet_runtime.demo.fleet import NEWCOMER, NEWCOMER_MODEL, SERVERS, SURFACES, with_newcomer
from fleet_runtime.demo.stage import DemoError, Stage

Say = Callable[[str], None]
RELOAD_SECONDS = 10.0
PROMPT = [{"role": "user", "content": "Which server are you?"}]


def give_tour(stage: Stage, say: Say) -> None:
    """Run all steps in order; raises `DemoError` at the first that fails."""
    with httpx.Client(base_url=stage.url, timeout=30, trust_env=False) as client:
        for number, step in enumerate(_STEPS, start=1):
            say(f"\n{number}. {step.__doc__}")
            step(stage, client, say)
    say("\nEvery step worked as described.")


def _models_by_provider(stage: Stage, client: httpx.Client, say: Say) -> None:
    """Models, listed by provider; several serve models of the same names"""
    for provider in client.get("/api/models").json()["providers"]:
        say(f"   {provider['name']} ({provider['class']}, {provider['status']})")
        for model in provider["models"]:
            say(f"     {model['id']:<36} {model['context']} tokens ({model['context_source']})")
        _expect(len(provider["models"]) >= 5, f"{provider['name']} lists its models")


def _same_name_two_providers(stage: Stage, client: httpx.Client, say: Say) -> None:
    """The same prompt to the same model name on two providers"""
    for provider in ("sam-desktop", "embedding"):
        _ask(stage, client, say, "boochat", f"{provider}/qwen3-8b", provider)


def _side_by_side(stage: Stage, client: httpx.Client, say: Say) -> None:
    """Two streams side by side on /arena, one through the sidecar"""
    both_run = threading.Barrier(2, timeout=30)
    contenders = ("sam-desktop/gpt-oss-20b", "embedding/gpt-oss-20b")

    def run(model: str) -> tuple[str, int, str]:
        body = {"model": model, "messages": PROMPT, "stream": True}
        with client.stream("POST", "/arena/v1/chat/completions", json=body) as response:
            _expect(response.status_code == 200, f"{model} responds")
            events = _events(response)
            first = next(events)
            both_run.wait()
            rest = list(events)
        _expect(rest[-1] == "[DONE]", f"the stream of {model} ends as it should")
        return (
            "".join(_content(event) for event in [first, *rest]),
            len(rest),
            response.headers["x-fleet-via"],
        )

    with ThreadPoolExecutor(2) as pool:
        for model, (text, chunks, via) in zip(contenders, pool.map(run, contenders), strict=True):
            say(f"   {model}: {chunks} chunks, {via}: {text}")
            _expect(
                via == ("sidecar" if model.startswith("sam") else "direct"), f"{model} uses its own route"
            )


def _name_of_a_cloud(stage: Stage, client: httpx.Client, say: Say) -> None:
    """A local model with a cloud's name stays local"""
    before = len(stage.servers.records("big-cloud"))
    _ask(stage, client, say, "boochat", "embedding/deepseek-r1-qwen3-8b", "embedding")
    _ask(stage, client, say, "boochat", "deepseek-r1-qwen3-8b", "sam-desktop")
    after = len(stage.servers.records("big-cloud"))
    say(f"   requests that reached the cloud meanwhile: {after - before}")
    _expect(after == before, "nothing reached the cloud")


def _old_bare_id(stage: Stage, client: httpx.Client, say: Say) -> None:
    """Ids that older sessions saved still work"""
    _ask(stage, client, say, "boochat", "qwen3-8b", "sam-desktop")
    _ask(stage, client, say, "boocoder", "llama-swap/qwen3-8b", "sam-desktop")
    _ask(stage, client, say, "boocoder", "llama-swap/embedding/qwen3-8b", "embedding")


def _fourth_provider(stage: Stage, client: httpx.Client, say: Say) -> None:
    """A fourth provider, added with one line"""
    url = stage.servers.url(NEWCOMER)
    before = client.get("/ready").json()["snapshot"]
    text = stage.fleet_yaml.read_text(encoding="utf-8")
    stage.fleet_yaml.write_text(with_newcomer(text, url), encoding="utf-8")
    say(f"   + {NEWCOMER}: {url}")
    say(f"   $ {stage.build_command}")
    for line in stage.build().splitlines():
        say(f"   {line}")
    deadline = time.monotonic() + RELOAD_SECONDS
    while client.get("/ready").json()["snapshot"] == before:
        _expect(time.monotonic() < deadline, "the gateway loads the new snapshot")
        time.sleep(0.05)
    for surface in SURFACES:
        _ask(stage, client, say, surface, f"{NEWCOMER}/{NEWCOMER_MODEL}", NEWCOMER)


_STEPS = (
    _models_by_provider,
    _same_name_two_providers,
    _side_by_side,
    _name_of_a_cloud,
    _old_bare_id,
    _fourth_provider,
)


def _ask(stage: Stage, client: httpx.Client, say: Say, surface: str, model: str, expected: str) -> None:
    """Send one chat request, and check that it reaches only the expected provider."""
    before = _reached(stage)
    body = {"model": model, "messages": PROMPT}
    response = client.post(f"/{surface}/v1/chat/completions", json=body)
    _expect(response.status_code == 200, f"/{surface} responds for {model}: {response.text}")
    after = _reached(stage)
    reached = [name for name in SERVERS if after[name] > before[name]]
    text = response.json()["choices"][0]["message"]["content"]
    say(f"   /{surface:<9} {model:<34} -> {', '.join(reached)}: {text}")
    _expect(reached == [expected], f"{model} reaches {expected} and no other provider")


def _reached(stage: Stage) -> dict[str, int]:
    """Return the number of inference requests that each provider has received."""
    return {name: len(stage.servers.inference(name)) for name in SERVERS}


def _events(response: httpx.Response) -> Iterator[str]:
    return (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))


def _content(event: str) -> str:
    if event == "[DONE]":
        return ""
    choices = json.loads(event)["choices"]
    return (choices[0]["delta"].get("content") or "") if choices else ""


def _expect(true: bool, what: str) -> None:
    if not true:
        raise DemoError(f"expected that {what}")
