"""Corosync's part of a plan: the file that every node has to have, and what a running cluster can take."""

from collections.abc import Iterable, Iterator, Mapping

from hotspare.model.corosync import Member, Section
from hotspare.model.observed import NodeFacts
from hotspare.model.spec import Spec

FIXED = (("totem", "cluster_name"), ("totem", "transport"), ("totem", "crypto_cipher"), ("totem", "crypto_hash"))
"""What a reload does not, or not safely, change. Source: corosync.conf(5), corosync-cfgtool(8)."""

LOG_FILE = "/var/log/corosync/corosync.log"
"""Debian's package rotates it, and people look there."""

TOKEN_COEFFICIENT_MS = 0
"""Corosync adds this to the token for each node from the third on, 650 ms unless told; the file says what is meant.
Source: corosync.conf(5), `totem.token_coefficient`.
"""

PING_MS = 200
"""Nodes ping one another over each link so often. Knet looks at its timers every 200 ms and no sooner, so that less has
no effect, and Corosync's own, a quarter of a token of 1 s, is in truth a ping every 400 ms. Source: kronosnet 1.25,
libknet.h, `KNET_THREADS_TIMER_RES`; corosync.conf(5), `knet_ping_interval`.
"""

PONGS = 1
"""So many answers beyond the first, and a link that was down is up. Where a round of answers is late or lost, knet
takes all links for dead, and the token stays away for as long as they are: 0.4 s by Corosync's own two, 0.2 s so.
Source: corosync.conf(5), `knet_pong_count`; measured (docs/decisions/0018).
"""

STOP_ALL = "stop the cluster on every node (systemctl stop pacemaker corosync), then apply again"


def members(spec: Spec, confs: Mapping[str, Section], in_use: Iterable[int] = ()) -> tuple[Member, ...]:
    """The nodes with their ids: a node keeps the id that any of the files gives it, a new one gets the lowest free.

    `in_use` are ids that a running cluster has for others. Equal input gives equal ids, so that a plan that was cut is
    finished with the same ones.
    """
    ids: dict[str, int] = {}
    for conf in confs.values():
        for found in read_members(conf):
            if found.name in spec.nodes and found.id > 0 and found.id not in ids.values():
                ids.setdefault(found.name, found.id)
    taken = {*ids.values(), *in_use}
    for name in spec.nodes:
        if name not in ids:
            ids[name] = next(number for number in range(1, len(taken) + 2) if number not in taken)
            taken.add(ids[name])
    return tuple(Member(name, ids[name], node.rings) for name, node in spec.nodes.items())


def read_members(conf: Section) -> Iterator[Member]:
    """The nodelist of a file; nodes without a name or a number are left out."""
    for node in conf.first("nodelist").of("node"):
        name, text = node.get("name") or node.get("ring0_addr"), node.get("nodeid") or ""
        rings = [node.get(f"ring{number}_addr") for number in range(8)]
        if name and text.isdigit():
            yield Member(name, int(text), tuple(ring for ring in rings if ring))


def desired(spec: Spec, nodes: tuple[Member, ...]) -> Section:
    """The file that every node has to have."""
    links = len(nodes[0].rings)
    totem = Section(
        "totem",
        (
            ("version", "2"),
            ("cluster_name", spec.cluster.name),
            ("transport", "knet"),
            ("crypto_cipher", "aes256"),
            ("crypto_hash", "sha256"),
            ("token", str(spec.cluster.token_ms)),
            ("token_coefficient", str(TOKEN_COEFFICIENT_MS)),
        ),
        tuple(_link(number, spec.cluster.token_ms) for number in range(links)),
    )
    quorum = [("provider", "corosync_votequorum")]
    if len(nodes) == 2:
        # One of two is quorate alone, but not before it has seen the other: a lone boot would be a split brain.
        quorum += [("two_node", "1"), ("wait_for_all", "1")]
    logging = (
        ("to_syslog", "yes"),
        ("to_stderr", "no"),
        ("to_logfile", "yes"),
        ("logfile", LOG_FILE),
        ("debug", "off"),
    )
    return Section(
        "",
        (),
        (
            totem,
            Section("nodelist", (), tuple(_node(member) for member in nodes)),
            Section("quorum", tuple(quorum)),
            Section("logging", logging),
        ),
    )


def _link(number: int, token_ms: int) -> Section:
    """A link is down after half of the token, as by default, and the other one has the token before it is lost.

    That holds from a token of about 530 ms on: knet tells within 400 ms of the cut, and what was lost is sent again
    after 1/4.2 of the token. Below, a pulled cable of one ring can cost a new membership. Source: corosync.conf(5),
    `knet_ping_timeout`, `token_retransmits_before_loss_const`; ten cuts with 600 ms cost none.
    """
    return Section(
        "interface",
        (
            ("linknumber", str(number)),
            ("knet_ping_interval", str(PING_MS)),
            ("knet_ping_timeout", str(max(PING_MS, token_ms // 2))),
            ("knet_pong_count", str(PONGS)),
        ),
    )


def _node(member: Member) -> Section:
    rings = tuple((f"ring{number}_addr", address) for number, address in enumerate(member.rings))
    return Section("node", (("name", member.name), ("nodeid", str(member.id)), *rings))


def behind(conf: Section, cmap: Mapping[str, str]) -> tuple[str, ...]:
    """Keys of a running Corosync that are not what the file says: it was not reloaded since.

    Source: cmap_keys(7). Only keys are compared that a reload brings over as they are. `linknumber` is none: it says
    which link the others are of.
    """
    totem = conf.first("totem")
    wanted = {f"totem.{key}": value for key, value in totem.values}
    for link in totem.of("interface"):
        of_link = f"totem.interface.{link.get('linknumber')}"
        wanted |= {f"{of_link}.{key}": value for key, value in link.values if key != "linknumber"}
    for number, node in enumerate(conf.first("nodelist").of("node")):
        wanted |= {f"nodelist.node.{number}.{key}": value for key, value in node.values}
    for name in ("quorum", "logging"):
        wanted |= {f"{name}.{key}": value for key, value in conf.first(name).values}
    differing = [key for key, value in wanted.items() if cmap.get(key) != value]
    surplus = [key for key in cmap if key.startswith("nodelist.node.") and key not in wanted]
    surplus += [key for key in ("quorum.two_node",) if cmap.get(key) == "1" and key not in wanted]
    return tuple(sorted((*differing, *surplus)))


def refusals(conf: Section, nodes: tuple[Member, ...], facts: NodeFacts, old: Section | None) -> Iterator[str]:
    """What the file asks for and a running cluster cannot take, with the remedy."""
    cmap = facts.cmap
    if cmap is None:
        return
    for section, key in FIXED:
        has, wanted = cmap.get(f"{section}.{key}", ""), conf.first(section).get(key) or ""
        if has != wanted:
            yield f"Corosync runs with {key} {has or '(none)'}, the file wants {wanted}; {STOP_ALL}"
    if old is not None and old.first("quorum").first("device").values:
        yield "a quorum device is configured, which the file cannot say and would lose; remove the device first"
    yield from _other_members(nodes, cmap)
    yield from _moved_rings(nodes, cmap, facts.name)


def _other_members(nodes: tuple[Member, ...], cmap: Mapping[str, str]) -> Iterator[str]:
    wanted_ids = {member.name: member.id for member in nodes}
    for name, number in running_members(cmap):
        if name in wanted_ids and number != wanted_ids[name]:
            yield f"{name} runs as node {number}, other nodes know it as {wanted_ids[name]}; {STOP_ALL}"
    for name in present(cmap):
        if name not in wanted_ids:
            yield (
                f"{name} is a running member of the cluster and not in the file; run "
                f"`systemctl disable --now pacemaker corosync` on it (or put it into the file), then apply again"
            )


def _moved_rings(nodes: tuple[Member, ...], cmap: Mapping[str, str], name: str) -> Iterator[str]:
    """A node's own address on a link cannot move under a running Corosync; links may be added and taken away."""
    own = next((member for member in nodes if member.name == name), None)
    number = next((key.split(".")[2] for key, value in cmap.items() if _is_name(key) and value == name), None)
    if own is None or number is None:
        return
    for ring, address in enumerate(own.rings):
        has = cmap.get(f"nodelist.node.{number}.ring{ring}_addr")
        if has is not None and has != address:
            yield f"ring {ring} of {name} runs on {has}, the file wants {address}; {STOP_ALL}"


def _is_name(key: str) -> bool:
    return key.startswith("nodelist.node.") and key.endswith(".name")


def running_members(cmap: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Names and ids of the nodelist that a Corosync runs with."""
    for key, name in cmap.items():
        if _is_name(key):
            text = cmap.get(key.removesuffix("name") + "nodeid", "")
            if text.isdigit():
                yield name, int(text)


def present(cmap: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the nodes that have joined. Source: cmap_keys(7), runtime.members."""
    names = {number: name for name, number in running_members(cmap)}
    joined = [
        int(key.split(".")[2])
        for key, value in cmap.items()
        if key.startswith("runtime.members.") and key.endswith(".status") and value == "joined"
    ]
    return tuple(sorted(names[number] for number in joined if number in names))
