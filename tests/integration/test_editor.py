"""The real yaml-language-server on the shipped fleet.yaml: what an editor marks, offers and explains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.integration import tools
from tests.integration.language_server import Editor, editing
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

SHIPPED = (ROOT / "fleet.yaml").read_text(encoding="utf-8")
HEAD = "# yaml-language-server: $schema=generated/fleet.schema.json\n"
BOX = f"{HEAD}version: 1\ndefault_provider: box\nproviders:\n  box:\n    url: http://a:1\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    command = tools.yaml_language_server()
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "generated").mkdir()
    shutil.copy(ROOT / "generated" / "fleet.schema.json", folder / "generated")
    with editing(command, folder) as started:
        yield started


def test_nothing_is_marked_in_the_shipped_file(editor: Editor) -> None:
    assert editor.findings(SHIPPED) == []


def test_mistakes_are_marked_with_the_words_of_the_schema(editor: Editor) -> None:
    text = f"{BOX}    class: clowd\ngateway: {{listen: nope}}\nsurfaces: {{a: {{cliient: opencode}}}}\n"
    assert sorted(editor.findings(text)) == [
        (6, 'Value is not accepted. Valid values: "local", "cloud".'),
        (7, "write host:port, like 127.0.0.1:8400 or [::1]:8400"),
        (8, "Property cliient is not allowed."),
    ]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        (f"{HEAD}version: 1\ndefault_provider: ^\n", {"sam-desktop", "embedding", "deepseek"}),
        (
            f"{BOX}    kind: ^\n",
            {"auto", "llama-swap", "llama-server", "ollama", "vllm", "lmstudio", "openai"},
        ),
        (f"{BOX}    ^\n", {"label", "sidecar", "api_key_env", "timeouts", "poll"}),
        (f"{BOX}roles:\n  task: ^\n", {"embedding/qwen3-8b", "sam-desktop/qwen3-coder-30b"}),
        (f"{BOX}roles:\n  task:\n    - ^\n", {"embedding/qwen3-8b", "sam-desktop/qwen3-coder-30b"}),
        (f"{BOX}aliases:\n  old: ^\n", {"deepseek/deepseek-chat"}),
        (f"{BOX}surfaces:\n  a:\n    ^\n", {"label", "client", "roles", "providers"}),
        (f"{BOX}surfaces:\n  a:\n    client: ^\n", {"opencode"}),
        (f"{BOX}surfaces:\n  a:\n    providers:\n      - ^\n", {"sam-desktop", "embedding"}),
        (f"{BOX}gateway:\n  ^\n", {"listen", "url", "keys", "limits"}),
        (f"{BOX}^\n", {"aliases", "roles", "surfaces", "gateway"}),
    ],
)
def test_keys_words_and_this_fleets_names_are_offered(editor: Editor, text: str, offered: set[str]) -> None:
    assert offered <= set(editor.completions(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOX.replace("default_", "def^ault_"), "The provider of bare model ids"),
        (f"{BOX}    po^ll: 60\n", "Seconds between probes of this provider"),
        (f"{BOX}    ki^nd: vllm\n", "The server software."),
        (f"{BOX}surfaces:\n  a: {{lega^cy: strict}}\n", "Whether a bare id"),
        (f"{BOX}gateway:\n  limits: {{bo^dy: 20MB}}\n", "maximum size of a request body"),
    ],
)
def test_a_key_is_explained_with_an_example(editor: Editor, text: str, said: str) -> None:
    shown = editor.hover(text)
    assert said in shown
    assert "Example:" in shown
