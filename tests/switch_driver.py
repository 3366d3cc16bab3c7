"""Run in a node by its Python: one call of the switch, asked for on standard input and answered on standard output, or
its changes, a line each.
"""

import asyncio
import base64
import pickle
import sys
import time

from hotspare.adapters.switch import Switch
from hotspare.model.errors import HotspareError


def _written(value: object) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


async def _answer() -> object:
    method, arguments, named = pickle.loads(base64.b64decode(sys.stdin.read()))  # noqa: S301  # of our own test
    begun = time.monotonic()
    try:
        result = await getattr(Switch(), method)(*arguments, **named)
    except HotspareError as error:
        return type(error).__name__, error.message, time.monotonic() - begun, time.time()
    return "", result, time.monotonic() - begun, time.time()


async def _watch() -> None:
    async for change in Switch().changes():
        sys.stdout.write(f"{_written(change)}\n")
        sys.stdout.flush()


if sys.argv[1:] == ["changes"]:
    asyncio.run(_watch())
else:
    sys.stdout.write(_written(asyncio.run(_answer())))
