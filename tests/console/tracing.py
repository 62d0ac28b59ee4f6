"""How long the tasks of a page take, from a trace of Chromium: CPU time, without other processes."""

from __future__ import annotations

import json
from typing import Any

RUN_TASK = ("RunTask", "ThreadControllerImpl::RunTask")
DEVTOOLS = "blink.mojom.DevToolsSession"


def longest_task(trace: bytes) -> float:
    """Return the milliseconds of CPU of the longest task of the page's main thread.

    Those that respond to the test itself, which come from the browser's DevTools, do not count.
    """
    events = json.loads(trace)["traceEvents"]
    main = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [e for e in events if e["name"] in RUN_TASK and (e["pid"], e["tid"]) in main and "tdur" in e]
    requested = [e["ts"] for e in events if (e["pid"], e["tid"]) in main and _interface(e) == DEVTOOLS]
    own = (
        task for task in tasks if not any(task["ts"] <= at <= task["ts"] + task["dur"] for at in requested)
    )
    return max(float(task["tdur"]) for task in own) / 1000


def _interface(event: dict[str, Any]) -> str | None:
    """Return the interface that the message of an event is for."""
    found: str | None = event.get("args", {}).get("chrome_mojo_event_info", {}).get("mojo_interface_tag")
    return found
