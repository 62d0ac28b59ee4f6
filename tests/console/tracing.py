"""How long the tasks of a page take, from a trace of Chromium: CPU time, without other processes."""

from __future__ import annotations

import json

RUN_TASK = ("RunTask", "ThreadControllerImpl::RunTask")


def longest_task(trace: bytes) -> float:
    """Return the milliseconds of CPU of the longest task of the page's main thread."""
    events = json.loads(trace)["traceEvents"]
    main = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [e for e in events if e["name"] in RUN_TASK and (e["pid"], e["tid"]) in main and "tdur" in e]
    return max(float(task["tdur"]) for task in tasks) / 1000
