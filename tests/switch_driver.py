"""Run in a node by its Python: calls of one switch, asked for on standard input, of which the last one is answered on
standard output; or its changes, a line each.
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
    calls = pickle.loads(base64.b64decode(sys.stdin.read()))  # noqa: S301  # of our own test
    switch, result = Switch(), None
    begun = time.monotonic()
    try:
        for method, arguments, named in calls:
            begun = time.monotonic()
            result = await getattr(switch, method)(*arguments, **named)
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
