"""docs/diagnostics.md is made from the registry of codes.

``UPDATE_DOCS=1 pytest tests/docs/test_diagnostics_page.py`` writes it again.
"""

import os

from fleet_compiler.diagnostics.codes import Code, codes
from tests.support.paths import DOCS

PAGE = DOCS / "diagnostics.md"

HEAD = """\
# Diagnostics

All errors and warnings of `fleet validate`, `fleet build` and `fleet lock`. `fleet explain CODE` shows one.
Codes from F250 to F299 and from F302 to F399 are warnings; `fleet validate --strict` makes them errors.
The examples show only the relevant part of a file.

<!-- generated from compiler/fleet_compiler/diagnostics/codes.toml by
UPDATE_DOCS=1 pytest tests/docs/test_diagnostics_page.py -->
"""


def section(code: str, known: Code) -> str:
    parts = [f"## {code}: {known.title}", known.text]
    for heading, example in (("Wrong:", known.wrong), ("Right:", known.right)):
        if example is not None:
            parts += [heading, f"```yaml\n{example.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def test_page_is_current() -> None:
    page = "\n".join([HEAD, *(section(code, known) for code, known in codes().items())])
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page, encoding="utf-8")
    is_current = PAGE.read_text(encoding="utf-8") == page
    assert is_current, "UPDATE_DOCS=1 pytest tests/docs/test_diagnostics_page.py writes it anew"
