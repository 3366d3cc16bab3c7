"""Hold one TCP connection to an echo server, send a numbered message every interval, and print what became of it.

Stand-alone: `python3 - '{"address": …, "port": 7007, "interval_s": 0.05, "stall_s": 1.0, "limit_s": 900}'`. While the
long-lived connection is silent, fresh connections are tried beside it, so that "sessions were lost" and "nothing gets
through" can be told apart. It ends when its reader is gone (it writes at least every 0.25 s) or after `limit_s`.

Lines, each with "at" (wall clock, seconds):
  connected   n-th long-lived connection stands          echoed   highest message that came back, and when
  stalled     no echo for `stall_s`, since when          resumed  the same connection goes on, after how long
  lost        the connection is over and why             fresh    a new connection beside it carried a message both ways
  refused     a new connection was not possible, why
"""

import errno
import json
import os
import select
import socket
import sys
import time
from typing import Any

TICK_S = 0.01
ECHO_EVERY_S = 0.25
TRY_EVERY_S = 0.5
TRY_LIMIT_S = 1.0
GIVE_UP_S = 20.0  # a silent connection is left for a fresh one that works after this long


def say(kind: str, **facts: object) -> None:
    """Write one line now."""
    print(json.dumps({"k": kind, "at": round(time.time(), 5), **facts}), flush=True)


def words(number: "int | None") -> str:
    """An errno as its name, such as ECONNRESET."""
    return errno.errorcode.get(number or 0, str(number))


class Attempt:
    """One connection: being made, or made, with a counter of messages sent and echoed."""

    def __init__(self, address: str, port: int) -> None:
        self.began_s = time.monotonic()
        self.up = False
        self.error = ""
        self.sent = 0
        self.echoed = 0
        self.echoed_s = self.began_s
        self.rest = b""
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.wire.setblocking(False)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.wire.connect_ex((address, port))
        if code not in (0, errno.EINPROGRESS):
            self.error = words(code)

    def step(self) -> None:
        """See whether it stands, and take what came back."""
        if self.error:
            return
        readable, writable, _ = select.select([self.wire], [] if self.up else [self.wire], [], 0)
        if writable and not self.up:
            code = self.wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.error = words(code)
                return
            self.up = True
            self.echoed_s = time.monotonic()
        if readable and self.up:
            self._read()

    def _read(self) -> None:
        try:
            chunk = self.wire.recv(65536)
        except BlockingIOError:
            return
        except OSError as failed:
            self.error = words(failed.errno)
            return
        if not chunk:
            self.error = "closed by the other end"
            return
        lines = (self.rest + chunk).split(b"\n")
        self.rest = lines.pop()
        if lines:
            self.echoed = int(lines[-1])
            self.echoed_s = time.monotonic()

    def send(self) -> None:
        """Send the next number, unless the last ones still wait in the buffer."""
        if not self.up or self.error:
            return
        try:
            self.wire.send(b"%d\n" % (self.sent + 1))
            self.sent += 1
        except BlockingIOError:
            return
        except OSError as failed:
            self.error = words(failed.errno)

    def close(self) -> None:
        """Be gone, without lingering."""
        self.wire.close()


class Stream:
    """The long-lived connection and, while it is silent, the fresh ones beside it."""

    def __init__(self, options: "dict[str, Any]") -> None:
        self.options = options
        self.count = 0
        self.main: Attempt | None = None
        self.beside: Attempt | None = None
        self.stalled_s: float | None = None
        self.fresh_at_s: float | None = None
        self.tried_s = 0.0

    def _new(self) -> Attempt:
        self.tried_s = time.monotonic()
        return Attempt(self.options["address"], self.options["port"])

    def step(self, *, send: bool) -> None:
        """Go on by one tick; `send` says that a message is due."""
        if self.main is None:
            if time.monotonic() - self.tried_s < TRY_EVERY_S:
                return
            self.main = self._new()
        main, was_up = self.main, self.main.up
        if send:
            main.send()
        main.step()
        if main.error or (not main.up and time.monotonic() - main.began_s > TRY_LIMIT_S):
            self._end(main, was_up=was_up, why=main.error or "no answer")
        elif main.up:
            if not was_up:
                self.count += 1
                say("connected", n=self.count, local=main.wire.getsockname()[1])
            self._watch(main)

    def _end(self, main: Attempt, *, was_up: bool, why: str) -> None:
        say("lost" if was_up else "refused", n=self.count, why=why, sent=main.sent, echoed=main.echoed)
        main.close()
        if self.beside is not None:
            self.beside.close()
        self.main = self.beside = self.stalled_s = self.fresh_at_s = None

    def _watch(self, main: Attempt) -> None:
        silent_s = time.monotonic() - main.echoed_s
        if self.stalled_s is None:
            if main.sent == main.echoed or silent_s < self.options["stall_s"]:
                return
            self.stalled_s = main.echoed_s
            say("stalled", n=self.count, since=round(time.time() - silent_s, 5))
        if main.echoed_s > self.stalled_s:
            say("resumed", n=self.count, stall_s=round(main.echoed_s - self.stalled_s, 4))
            self.stalled_s = self.fresh_at_s = None
            if self.beside is not None:
                self.beside.close()
                self.beside = None
            return
        self._try_beside()
        if self.fresh_at_s is not None and time.monotonic() - self.fresh_at_s >= GIVE_UP_S:
            self._end(main, was_up=True, why="silent while fresh connections work")

    def _try_beside(self) -> None:
        """Take one fresh connection, begun at most every half second, one tick further."""
        if self.beside is None:
            if time.monotonic() - self.tried_s < TRY_EVERY_S:
                return
            self.beside = self._new()
        fresh = self.beside
        fresh.step()
        if fresh.up and not fresh.sent:
            fresh.send()
        took_s = time.monotonic() - fresh.began_s
        if fresh.echoed:
            say("fresh", took_s=round(took_s, 4))
            self.fresh_at_s = self.fresh_at_s or time.monotonic()
        elif fresh.error or took_s > TRY_LIMIT_S:
            say("refused", n=self.count, why=fresh.error or "no answer")
        else:
            return
        fresh.close()
        self.beside = None

    def tell(self) -> None:
        """Say how far the echoes are; also the sign of life."""
        sent, echoed = (self.main.sent, self.main.echoed) if self.main else (0, 0)
        say("echoed", n=self.count, sent=sent, echoed=echoed)


def run(options: "dict[str, Any]") -> None:
    """Hold the connection until the reader is gone or the limit has passed."""
    stream = Stream(options)
    began_s = told_s = sent_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < options["limit_s"]:
        due = now_s - sent_s >= options["interval_s"]
        if due:
            sent_s = now_s
        stream.step(send=due)
        if now_s - told_s >= ECHO_EVERY_S:
            stream.tell()
            told_s = now_s
        waiting = [
            attempt.wire for attempt in (stream.main, stream.beside) if attempt is not None and not attempt.error
        ]
        rest_s = max(0.001, min(TICK_S * 5, sent_s + options["interval_s"] - time.monotonic()))
        select.select(waiting, [], [], rest_s)


if __name__ == "__main__":
    try:
        run(json.loads(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
