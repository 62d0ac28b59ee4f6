"""Install the tools to compare with, each into its own venv in bench/.cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"


def installed(name: str, requirement: str, command: str) -> Path:
    """Return a venv with `requirement` and compiled modules; create it if it does not have `command`."""
    venv = CACHE / name
    if not (venv / "bin" / command).exists():
        print(f"installing {requirement} into {venv} …", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        python = str(venv / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--compile"]
        subprocess.run([*pip, requirement], check=True)
    return venv


def version_in(venv: Path, distribution: str) -> str:
    code = f"from importlib.metadata import version; print(version('{distribution}'))"
    python = str(venv / "bin" / "python")
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
