"""iptables and ip6tables of the network namespace that this thread is in, as text that is the same where the rules are.

The commands are those that Neutron uses, so both kinds of iptables are understood: nf_tables, whose generation tells
whether anything changed, and legacy, of which nothing tells.
"""

import re
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hotspare.adapters.inside.netlink import Netlink, attributes
from hotspare.adapters.process import ENVIRONMENT
from hotspare.model.dataplane import Family

_SUBSYSTEM = 10 << 8  # linux/netfilter/nfnetlink.h, NFNL_SUBSYS_NFTABLES
_GETTABLE, _GETGEN = _SUBSYSTEM | 1, _SUBSYSTEM | 16  # linux/netfilter/nf_tables.h
_NFTA_TABLE_NAME, _NFTA_GEN_ID = 1, 1
_GENERAL = struct.Struct("!BBH")  # struct nfgenmsg
_TABLES = ("filter", "mangle", "nat", "raw", "security")
_FAMILIES = {2: Family.V4, 10: Family.V6}  # linux/netfilter.h, NFPROTO_*
_COMMANDS = {Family.V4: "iptables", Family.V6: "ip6tables"}
_LEGACY = {Family.V4: "ip_tables_names", Family.V6: "ip6_tables_names"}

_LOCK_WAIT_S = 20
_COMMAND_WAIT_S = 30.0

_IDLE_POLICY = "ACCEPT"
_MORE = re.compile(r"^# .*(incompatible|legacy tables present)")
"""What iptables-save says where there is more than it shows. Source: iptables' xtables-save.c, nft.c."""
_STRANGE = {
    "an IPsec policy in its rules": re.compile(r"--pol ipsec\b"),
    "a set of addresses in its rules": re.compile(r"--match-set\b"),
}


@dataclass(frozen=True, slots=True)
class Tables:
    """What there is, without what is in it."""

    generation: int | None
    """Another one after every change; None where changes leave no trace in it."""
    names: dict[Family, frozenset[str]]
    """Tables of iptables that may hold rules."""
    strange: tuple[str, ...]
    """In words: tables that iptables does not know."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The text of both families, and in words what it does not tell."""

    text: dict[Family, str]
    strange: tuple[str, ...]


def tables(kernel: Netlink) -> Tables:
    """What there is in the namespace of the socket, which is this thread's.

    Raises:
        OSError: the kernel does not tell.
    """
    # Before all else: what changes later changes the generation.
    generation = _generation(kernel)
    names = {family: _legacy(family) for family in Family}
    is_legacy = any(names.values())
    strange = []
    for _, data in kernel.dump(_GETTABLE, _GENERAL.pack(0, 0, 0)):
        number = data[0]
        name = attributes(data[_GENERAL.size :])[_NFTA_TABLE_NAME].rstrip(b"\0").decode()
        family = _FAMILIES.get(number)
        if family is not None and name in _TABLES:
            names[family] |= {name}
        else:
            strange.append(f"table {name} of nftables, family {number}")
    return Tables(None if is_legacy else generation, names, tuple(strange))


def _generation(kernel: Netlink) -> int:
    answer = attributes(kernel.ask(_GETGEN, _GENERAL.pack(0, 0, 0))[_GENERAL.size :])
    return int.from_bytes(answer[_NFTA_GEN_ID], "big")


def _legacy(family: Family) -> frozenset[str]:
    try:
        with open(f"/proc/thread-self/net/{_LEGACY[family]}", encoding="ascii") as file:  # noqa: PTH123 (read at every look)
            return frozenset(file.read().split())
    except OSError:
        return frozenset()


def read(there: Tables) -> Rules:
    """The rules in these tables.

    Raises:
        OSError: the command is not there, or failed.
    """
    text = dict.fromkeys(Family, "")
    strange = list(there.strange)
    for family, names in there.names.items():
        if names:
            said, warned = _run(f"{_COMMANDS[family]}-save")
            text[family] = canonical(said)
            strange += [line.lstrip("# ") for line in (said + warned).splitlines() if _MORE.search(line)]
    strange += [what for what, pattern in _STRANGE.items() if any(map(pattern.search, text.values()))]
    return Rules(text, tuple(strange))


def write(family: Family, text: str, there: Tables) -> None:
    """The family has these rules and no others: table by table at once.

    Raises:
        OSError: the command is not there, or failed.
    """
    wanted = {line[1:] for line in text.splitlines() if line.startswith("*")}
    emptied = "".join(f"*{name}\nCOMMIT\n" for name in sorted(there.names[family] - wanted))
    if text or emptied:
        _run(f"{_COMMANDS[family]}-restore", "-w", str(_LOCK_WAIT_S), stdin=text + emptied)


def canonical(saved: str) -> str:
    """What iptables-save said, without comments and counters. Tables are by name, chains too, rules of one chain as
    they were; a table that does nothing is left out, since whether it exists is history.
    """
    return "".join(sorted(filter(None, map(_table, _sections(saved)))))


def _sections(saved: str) -> Iterator[list[str]]:
    section: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            section = [line]
        elif line == "COMMIT":
            yield section
        elif line and not line.startswith("#"):
            section.append(line)


def _table(section: list[str]) -> str:
    name, *lines = section
    chains = sorted(" ".join([*line.split()[:2], "[0:0]"]) for line in lines if line.startswith(":"))
    rules = sorted((line for line in lines if not line.startswith(":")), key=_chain_of)
    if not rules and all(chain.split()[1] == _IDLE_POLICY for chain in chains):
        return ""
    return _joined([name, *chains, *rules, "COMMIT"])


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _chain_of(rule: str) -> str:
    return rule.split(maxsplit=2)[1]


def _run(*argv: str, stdin: str = "") -> tuple[str, str]:
    """What the command said and warned of."""
    # Descriptors are closed by their own flag; without asking for it again a fork is cheap.
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, check=False, timeout=_COMMAND_WAIT_S, env=ENVIRONMENT,
            close_fds=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise TimeoutError(f"{argv[0]}: no end in {_COMMAND_WAIT_S:g} s") from late
    if done.returncode:
        raise OSError(done.returncode, f"{argv[0]}: {done.stderr.strip()[-1000:]}")
    return done.stdout, done.stderr
