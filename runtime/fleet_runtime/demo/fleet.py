"""The demo's simulated servers and the fleet.yaml that names them."""

from __future__ import annotations

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread

SHARED_MODELS = ("qwen3-8b", "qwen3-4b", "qwen3-coder-30b", "deepseek-r1-qwen3-8b", "gpt-oss-20b")
CLOUD_KEY_VARIABLE = "FLEET_DEMO_CLOUD_KEY"
CLOUD_KEY = "demo-key-of-the-cloud"
NEWCOMER = "third-box"
NEWCOMER_MODEL = "glm-4.6-air"
SERVERS = ("sam-desktop", "embedding", "big-cloud", NEWCOMER)
SURFACES = ("boochat", "boocoder", "arena")


def demo_servers() -> tuple[ServerSpec, ...]:
    """Return two local servers and a cloud that serve five models of the same names, and one more server
    that fleet.yaml does not name yet."""
    shared = tuple(SimulatedModel(model, context=32768) for model in SHARED_MODELS)
    return (
        ServerSpec("sam-desktop", kind="llama-swap", models=shared, sidecar=True),
        ServerSpec("embedding", kind="llama-swap", models=shared),
        ServerSpec("big-cloud", kind="cloud", models=shared, api_key=CLOUD_KEY),
        ServerSpec(
            NEWCOMER, kind="llama-swap", models=(SimulatedModel("qwen3-8b"), SimulatedModel(NEWCOMER_MODEL))
        ),
    )


def demo_fleet_yaml(servers: SimulationThread, listen: str) -> str:
    """Return fleet.yaml for the first three servers, at the addresses where they listen."""
    declared = ", ".join(f"{model}: {{context: 131072, output: 8192}}" for model in SHARED_MODELS)
    return f"""\
version: 1
default_provider: sam-desktop

providers:
  sam-desktop:
    url: {servers.url("sam-desktop")}
    sidecar: {servers.sidecar_url("sam-desktop")}
  embedding: {servers.url("embedding")}
  big-cloud:
    url: {servers.url("big-cloud")}
    class: cloud
    api_key_env: {CLOUD_KEY_VARIABLE}
    models: {{{declared}}}

namespaces: [llama-swap]
roles:
  default: sam-desktop/qwen3-coder-30b
  task: [embedding/qwen3-4b, sam-desktop/qwen3-4b]

surfaces:
  boochat:
  boocoder:
  arena:
  opencode: {{client: opencode}}

gateway: {{listen: "{listen}"}}
inventory: {{interval: 1, timeout: 1, grace: 3}}
"""


def with_newcomer(fleet_yaml: str, url: str) -> str:
    """Return the same file with one line more."""
    return fleet_yaml.replace("\n\nnamespaces:", f"\n  {NEWCOMER}: {url}\n\nnamespaces:", 1)
