"""Where things are in the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CASES = ROOT / "tests" / "cases"
RECORDINGS = ROOT / "tests" / "recordings"
KILL_COMMANDS = ROOT / "tests" / "support" / "kill_commands.py"
