"""The demo's machines and the fleet.yaml that names them."""

from __future__ import annotations

from fleet_runtime.simulator import MachineSpec, SimulatedModel, SimulationThread

SHARED_MODELS = ("qwen3-8b", "qwen3-4b", "qwen3-coder-30b", "deepseek-r1-qwen3-8b", "gpt-oss-20b")
CLOUD_KEY_VARIABLE = "FLEET_DEMO_CLOUD_KEY"
CLOUD_KEY = "demo-key-of-the-cloud"
NEWCOMER = "third-box"
NEWCOMER_MODEL = "glm-4.6-air"
MACHINES = ("sam-desktop", "embedding", "big-cloud", NEWCOMER)
SURFACES = ("boochat", "boocoder", "arena")


def demo_machines() -> tuple[MachineSpec, ...]:
    """Two local machines and a cloud that serve five models of the same names, and one machine more
    that fleet.yaml does not name yet."""
    shared = tuple(SimulatedModel(model, context=32768) for model in SHARED_MODELS)
    return (
        MachineSpec("sam-desktop", kind="llama-swap", models=shared, sidecar=True),
        MachineSpec("embedding", kind="llama-swap", models=shared),
        MachineSpec("big-cloud", kind="cloud", models=shared, api_key=CLOUD_KEY),
        MachineSpec(
            NEWCOMER, kind="llama-swap", models=(SimulatedModel("qwen3-8b"), SimulatedModel(NEWCOMER_MODEL))
        ),
    )


def demo_fleet_yaml(machines: SimulationThread, listen: str) -> str:
    """fleet.yaml for the first three machines, at the addresses where they listen."""
    declared = ", ".join(f"{model}: {{context: 131072, output: 8192}}" for model in SHARED_MODELS)
    return f"""\
version: 1
default_provider: sam-desktop

providers:
  sam-desktop:
    url: {machines.url("sam-desktop")}
    sidecar: {machines.sidecar_url("sam-desktop")}
  embedding: {machines.url("embedding")}
  big-cloud:
    url: {machines.url("big-cloud")}
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
    """The same file with one line more."""
    return fleet_yaml.replace("\n\nnamespaces:", f"\n  {NEWCOMER}: {url}\n\nnamespaces:", 1)
