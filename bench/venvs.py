"""Tools to compare with, each in a venv of its own below bench/.cache, made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"


def installed(name: str, requirement: str, command: str) -> Path:
    """The venv that has `requirement`, its modules compiled."""
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
