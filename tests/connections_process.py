"""The carrier's or the spare's part in a process of its own, to be killed: batches go by its standard output or input,
each with its length before it.

`python connections_process.py carrier NAMESPACE`, `python connections_process.py spare NAMESPACE`
"""

import asyncio
import signal
import struct
import sys

from hotspare.adapters.conntrack import CarrierConnections, SpareConnections

SIZE = struct.Struct("!I")


async def carrier(namespace: str) -> None:
    """Give out its connections; all of them when SIGUSR1 comes."""
    connections = CarrierConnections(every_s=0.02)
    connections.watch({namespace: ()})
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, connections.renew)
    async for batch in connections.batches():
        sys.stdout.buffer.write(SIZE.pack(len(batch)) + batch)
        sys.stdout.buffer.flush()


async def spare() -> None:
    """Put in what comes."""
    connections = SpareConnections()
    while head := await asyncio.to_thread(sys.stdin.buffer.read, SIZE.size):
        await connections.apply(await asyncio.to_thread(sys.stdin.buffer.read, SIZE.unpack(head)[0]))


if __name__ == "__main__":
    asyncio.run(carrier(sys.argv[2]) if sys.argv[1] == "carrier" else spare())
