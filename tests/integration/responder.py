"""The model process behind a real llama-swap: a simulated llama-server with one model, on a fixed port.

``python responder.py '{"machine", "model", "port", "control_port", "starts", "load_seconds", "purpose"}'``. Every
start appends a line to the file `starts`; it listens after `load_seconds`, as a server that reads its weights.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from fleet_runtime.simulator import MachineSpec, SimulatedModel, Simulation


async def respond(settings: dict[str, Any]) -> None:
    with Path(settings["starts"]).open("a", encoding="utf-8") as starts:
        starts.write(f"{settings['model']}\n")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await asyncio.sleep(settings["load_seconds"])
    model = SimulatedModel(settings["model"], context=settings["context"], purpose=settings["purpose"])
    spec = MachineSpec(
        settings["machine"],
        kind="llama-server",
        models=(model,),
        port=settings["port"],
        control_port=settings["control_port"],
    )
    async with Simulation([spec]):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(respond(json.loads(sys.argv[1])))
