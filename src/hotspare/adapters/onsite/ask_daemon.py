"""Ask a daemon of this node on its socket, and print its answer line by line until the last one.

Stand-alone: `python3 - '{"socket": …, "request": {"ask": "state"}, "silence_s": 20}'`.

Exit: 0 the answer is whole; 3 nobody answers there; 4 it broke off, or nothing came for `silence_s`. The reason is on
standard error. `{"ask": "follow"}` has no last line: it ends with its reader, or by 4.
"""

import json
import os
import socket
import sys
from typing import Any

NOBODY, BROKEN = 3, 4


def connected(path: str, silence_s: float) -> "socket.socket":
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.settimeout(silence_s)
    line.connect(path)
    return line


def relayed(line: "socket.socket", request: "dict[str, Any]") -> bool:
    """Whether the answer's last line was among those that came."""
    line.sendall(json.dumps(request).encode() + b"\n")
    with line.makefile("rb") as answers:
        for answer in answers:
            if not answer.endswith(b"\n"):
                return False
            sys.stdout.write(answer.decode())
            sys.stdout.flush()
            if json.loads(answer).get("end"):
                return True
    return False


def failed(words: str, code: int) -> int:
    sys.stderr.write(words + "\n")
    return code


def main() -> int:
    told = json.loads(sys.argv[1])
    path = told["socket"]
    try:
        line = connected(path, told["silence_s"])
    except OSError as error:
        return failed(f"nobody answers at {path}: {error.strerror or error}", NOBODY)
    try:
        with line:
            return 0 if relayed(line, told["request"]) else failed("it ended in the middle of its answer", BROKEN)
    except BrokenPipeError:
        os._exit(0)
    except TimeoutError:
        return failed("no word for {:g} s".format(told["silence_s"]), BROKEN)
    except OSError as error:
        return failed(f"it broke off: {error.strerror}", BROKEN)


if __name__ == "__main__":
    sys.exit(main())
