"""Accept TCP connections and send back whatever comes, printing JSON lines of who came and went.

Stand-alone: `python3 - '{"port": 7007, "limit_s": 900}'` (port 0: any). It ends when its reader is gone (it writes at
least every 0.5 s) or after `limit_s`.

Lines, each with "at": {"k": "listening", "port": n} · {"k": "accepted", "peer": "a:p"}
       {"k": "closed", "peer": …, "why": …} · {"k": "alive"}
"""

import contextlib
import json
import os
import selectors
import socket
import sys
import time
from typing import Any

TICK_S = 0.5
CHUNK_BYTES = 65536


def say(kind: str, **facts: object) -> None:
    """Write one line now."""
    print(json.dumps({"k": kind, "at": round(time.time(), 5), **facts}), flush=True)


def accept(listener: socket.socket, chooser: selectors.BaseSelector) -> None:
    """Take one new connection."""
    try:
        peer, address = listener.accept()
    except OSError:
        return  # it went away again before we took it
    peer.setblocking(False)
    name = f"{address[0]}:{address[1]}"
    chooser.register(peer, selectors.EVENT_READ, name)
    say("accepted", peer=name)


def send_back(peer: socket.socket, name: str, chooser: selectors.BaseSelector) -> None:
    """Return what came; a connection that does not take it at once is closed, so a dead one holds no memory."""
    why = ""
    try:
        chunk = peer.recv(CHUNK_BYTES)
        if chunk:
            peer.sendall(chunk)
        else:
            why = "end"
    except BlockingIOError:
        why = "its buffer is full"
    except OSError as failed:
        why = failed.strerror or str(failed)
    if why:
        chooser.unregister(peer)
        peer.close()
        say("closed", peer=name, why=why)


def run(options: "dict[str, Any]") -> None:
    """Serve until the reader is gone or the limit has passed."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", options["port"]))
    listener.listen(64)
    listener.setblocking(False)
    chooser = selectors.DefaultSelector()
    chooser.register(listener, selectors.EVENT_READ)
    say("listening", port=listener.getsockname()[1])
    began_s = said_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < options["limit_s"]:
        if now_s - said_s >= TICK_S:
            say("alive")
            said_s = now_s
        for key, _events in chooser.select(TICK_S):
            if key.fileobj is listener:
                accept(listener, chooser)
            elif isinstance(key.fileobj, socket.socket):
                send_back(key.fileobj, key.data, chooser)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            run(json.loads(sys.argv[1]))
        except BrokenPipeError:
            os._exit(0)
