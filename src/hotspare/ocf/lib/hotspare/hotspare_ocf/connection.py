"""What an agent's connections to the broker tell: whether there are any, and when the agent last said something on one.

An agent reports its state through the broker every `report_interval`, and AMQP sends heartbeats in between, so an agent
from which the kernel has sent nothing for longer than Neutron's `agent_down_time` is hung or cut off, whatever its
process looks like. This is asked of the kernel alone: it needs no word from Neutron's API, its database or the broker.
Source: sock_diag(7), linux/tcp.h (struct tcp_info).
"""

from __future__ import annotations

import socket
import struct

from hotspare_ocf import neutron_agent, neutron_config, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotspare_ocf.environment import Call
    from hotspare_ocf.identity import Process

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_INET_DIAG_INFO = 2
_ESTABLISHED = 1
_HEADER_BYTES = 16  # struct nlmsghdr
_MESSAGE_BYTES = 72  # struct inet_diag_msg: the inode is its last word, the ports begin at its fifth byte
_LAST_DATA_SENT_BYTES = 44  # offset of tcpi_last_data_sent, in ms
_ANSWER_WAIT_S = 2.0


def trouble(call: Call, process: Process) -> str:
    """What is wrong between the agent and the broker, in words; empty where nothing is.

    Routers forward on whatever this says.
    """
    ports = neutron_config.broker_ports(neutron_config.read(neutron_agent.configuration(call)))
    named = f"the broker (port {', '.join(map(str, sorted(ports)))})"
    inodes = sockets.inodes(neutron_agent.family(process))
    quiet_s = [seconds for inode, seconds in _quiet_s(ports).items() if inode in inodes]
    if not quiet_s:
        return f"{call['binary']} has no connection to {named}: what changes in Neutron does not reach this node"
    if min(quiet_s) > int(call["silence_max"]):
        return (
            f"{call['binary']} has sent nothing to {named} for {min(quiet_s):.0f} s, with silence_max="
            f"{call['silence_max']}: it hangs, or the broker does not listen; see its log file"
        )
    return ""


def _quiet_s(ports: frozenset[int]) -> dict[int, float]:
    """The socket's inode → seconds since data was last sent, for every established connection to one of the ports."""
    found: dict[int, float] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asking:
        asking.settimeout(_ANSWER_WAIT_S)
        for family in (socket.AF_INET, socket.AF_INET6):
            _ask(asking, family)
            for inode, port, quiet_ms in _answers(asking):
                if port in ports:
                    found[inode] = quiet_ms / 1000
    return found


def _ask(asking: socket.socket, family: int) -> None:
    request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 1 << (_INET_DIAG_INFO - 1), 1 << _ESTABLISHED)
    header = struct.pack("=IHHII", _HEADER_BYTES + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, family, 0)
    asking.send(header + request)


def _answers(asking: socket.socket) -> list[tuple[int, int, int]]:
    """(inode, remote port, ms since data was sent) of every connection, to the end of the kernel's answer."""
    rows: list[tuple[int, int, int]] = []
    while True:
        answer = asking.recv(1 << 20)
        at = 0
        while at < len(answer):
            length, kind = struct.unpack_from("=IH", answer, at)
            if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                return rows
            message = answer[at + _HEADER_BYTES : at + length]
            (port,) = struct.unpack_from("!H", message, 6)
            (inode,) = struct.unpack_from("=I", message, _MESSAGE_BYTES - 4)
            info = _attribute(message[_MESSAGE_BYTES:], _INET_DIAG_INFO)
            if len(info) >= _LAST_DATA_SENT_BYTES + 4:
                rows.append((inode, port, *struct.unpack_from("=I", info, _LAST_DATA_SENT_BYTES)))
            at += (length + 3) & ~3


def _attribute(attributes: bytes, wanted: int) -> bytes:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, at)
        if kind == wanted:
            return attributes[at + 4 : at + length]
        at += max(4, (length + 3) & ~3)
    return b""
