"""Ask one URL again and again and print, as JSON lines, when it answered what.

Stand-alone: `python3 - '{"host": …, "port": 80, "path": "/", "interval_s": 0.5, "timeout_s": 2.0, "limit_s": 900}'`.
Every request has a connection of its own. It ends when its reader is gone (it writes after every request) or after
`limit_s`.

Lines: {"k": "get", "at": when it was asked (wall clock), "took_s": …, "status": 200 or null, "error": ""}
"""

import http.client
import json
import os
import sys
import time
from typing import Any


def get(options: "dict[str, Any]") -> "dict[str, object]":
    """Ask once. The status is None where there was no answer, and `error` says why."""
    began_s, at_s = time.monotonic(), time.time()
    status, error = None, ""
    connection = http.client.HTTPConnection(options["host"], options["port"], timeout=options["timeout_s"])
    try:
        connection.request("GET", options["path"])
        answer = connection.getresponse()
        answer.read(1 << 20)
        status = answer.status
    except (OSError, http.client.HTTPException) as failed:
        error = f"{type(failed).__name__}: {failed}"
    finally:
        connection.close()
    took_s = round(time.monotonic() - began_s, 4)
    return {"k": "get", "at": round(at_s, 4), "took_s": took_s, "status": status, "error": error}


def run(options: "dict[str, Any]") -> None:
    """Ask until the reader is gone or the limit has passed; a request that takes long lets others fall out."""
    began_s = time.monotonic()
    number = 0
    while time.monotonic() - began_s < options["limit_s"]:
        time.sleep(max(0.0, began_s + number * options["interval_s"] - time.monotonic()))
        print(json.dumps(get(options)), flush=True)
        number = int((time.monotonic() - began_s) / options["interval_s"]) + 1


if __name__ == "__main__":
    try:
        run(json.loads(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
