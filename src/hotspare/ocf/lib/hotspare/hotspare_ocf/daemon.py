"""A daemon of ours seen from outside: its answer on a socket, its last words, the interpreter that it needs."""

from __future__ import annotations

import os

_ANSWER_BYTES_MAX = 1 << 20
_TAIL_BYTES = 4096


def ask(path: str, request: dict[str, object] | None = None, *, within_s: float) -> dict[str, object]:
    """The daemon's answer on its Unix socket, one line of JSON: of its state, where nothing else is requested.

    Raises:
        OSError: nobody listens, or no whole answer within the time.
    """
    import json
    import socket
    import time

    deadline = time.monotonic() + within_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(within_s)
        line.connect(path)
        line.sendall(json.dumps(request or {"ask": "state"}).encode() + b"\n")
        answer = b""
        while b"\n" not in answer and len(answer) < _ANSWER_BYTES_MAX:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"no answer in {within_s:g} s")
            line.settimeout(left_s)
            piece = line.recv(65536)
            if not piece:
                raise ConnectionResetError("it hung up without an answer")
            answer += piece
    try:
        state = json.loads(answer.partition(b"\n")[0])
    except ValueError as error:
        raise OSError(f"its answer cannot be read: {error}") from error
    if not isinstance(state, dict):
        raise OSError("its answer is no object")
    return state


def last_words(path: str) -> str:
    """The last line of a log that is not empty."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "(cannot be read)"
    return lines[-1].strip()[:300] if lines else "(empty)"


def interpreter_of(program: str) -> str:
    """The Python that a script names in its first line, following links to the script; empty where it names none.

    The interpreter's own links are kept: through them it knows its virtual environment. Source: execve(2), PEP 405.
    """
    try:
        with open(os.path.realpath(program), "rb") as file:
            first = file.readline(512)
    except OSError:
        return ""
    words = first.removeprefix(b"#!").decode(errors="replace").split() if first.startswith(b"#!") else []
    if words and os.path.basename(words[0]) == "env":
        from hotspare_ocf import launching

        words = [found] if len(words) > 1 and (found := launching.find_binary(words[1])) else []
    is_python = bool(words) and os.path.basename(words[0]).startswith("python")
    return words[0] if is_python and os.access(words[0], os.X_OK) else ""
