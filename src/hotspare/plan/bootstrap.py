"""From what was found on the nodes to the steps that make the cluster of the file.

Every step is idempotent and the order is safe to be cut anywhere: planning again, from what is there then, finishes it.
A plan without stages means that all is as the file wants it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

from hotspare.model.cib import OURS
from hotspare.model.cluster import ClusterStatus
from hotspare.model.corosync import Member, Section
from hotspare.model.errors import InvariantError, Problem, WorldError
from hotspare.model.observed import FileFact, NodeFacts
from hotspare.model.spec import Spec
from hotspare.model.step import (
    AwaitMembers,
    CloudEntry,
    Content,
    EnableUnit,
    FreshCertificate,
    FreshKey,
    InstallAgents,
    KeyOf,
    Password,
    ReloadCorosync,
    RemoveFile,
    Stage,
    StartUnit,
    Step,
    Text,
    WriteFile,
)
from hotspare.plan import configuring, membership, passage
from hotspare.plan.layout import (
    AUTHKEY,
    CLOUDS,
    COROSYNC_CONF,
    FENCE_DIR,
    PARK_UNIT,
    PARK_UNIT_LINK,
    PARK_UNIT_PATH,
    PARK_UNIT_TEXT,
    TWIN_KEY,
    UNITS,
    carries_a_gateway,
    in_pool,
    in_twin,
    password_path,
    script_path,
    script_text,
)

MEMBERS_LIMIT_S = 120.0
"""Pacemaker waits 20 s (dc-deadtime) for others when a whole cluster starts; slow machines take a few times that."""


_NO_FILE = FileFact("", 0, 0, 0)


def plan(
    spec: Spec,
    facts: Mapping[str, NodeFacts],
    *,
    passwords: Mapping[str, str],
    cloud: str,
    agents: str,
    written: Callable[[Section], str],
    status: ClusterStatus | None = None,
) -> tuple[Stage, ...]:
    """The stages, in order.

    `status` is asked for where a strategy changes (see `changes_strategy`).
    `passwords` are SHA-256 digests by node, `cloud` is that of the cloud's entry (empty where no node needs it),
    `agents` is the digest of our resource agents, `written` gives the text of a corosync.conf.

    Raises:
        WorldError: a running cluster cannot take what the file asks for.
    """
    if facts.keys() != spec.nodes.keys():
        raise InvariantError(f"planned with facts of {sorted(facts)} for {sorted(spec.nodes)}")
    confs = _confs(facts)
    running = {number for node in facts.values() for _, number in membership.running_members(node.cmap or {})}
    nodes = membership.members(spec, confs, running)
    conf = membership.desired(spec, nodes)
    _refuse(conf, nodes, facts, confs)
    stages = (
        Stage("files", tuple(_files(spec, facts, written(conf), passwords=passwords, cloud=cloud, agents=agents))),
        Stage("reload", tuple(_reload(conf, facts))),
        *(Stage(f"start {unit.removesuffix('.service')}", tuple(_units(unit, facts))) for unit in UNITS),
    )
    speaker = _speaker(facts)
    configured = tuple(configuring.stages(speaker, spec, facts[speaker].cib, status))
    started = any(isinstance(step, StartUnit) for stage in stages for step in stage.steps)
    if started or (configured and not _configured(facts)):
        stages += (Stage("members", (AwaitMembers(speaker, tuple(spec.nodes), MEMBERS_LIMIT_S),)),)
    leftovers = Stage("leftovers", tuple(_leftovers(spec, facts)))
    return tuple(stage for stage in (*stages, *configured, leftovers) if stage.steps)


def changes_strategy(spec: Spec, facts: Mapping[str, NodeFacts]) -> bool:
    """Whether a gateway of the running cluster has another strategy than the file says, or had until a moment ago."""
    cib = facts[_speaker(facts)].cib
    return cib is not None and bool(passage.changing(spec, cib))


def _confs(facts: Mapping[str, NodeFacts]) -> dict[str, Section]:
    """The corosync.conf of each node that has one; nodes where Corosync runs come first, since theirs is in use."""
    ordered = sorted(facts.values(), key=lambda node: (node.cmap is None, node.name))
    return {node.name: node.corosync for node in ordered if node.corosync is not None}


def _refuse(
    conf: Section, nodes: tuple[Member, ...], facts: Mapping[str, NodeFacts], confs: Mapping[str, Section]
) -> None:
    problems = [
        Problem(name, "corosync", text)
        for name, node in facts.items()
        for text in membership.refusals(conf, nodes, node, confs.get(name))
    ]
    problems += _key_problems(facts)
    if problems:
        raise WorldError(problems, hint="nothing was changed")


# --- files ------------------------------------------------------------------------------------------------------------


def _files(
    spec: Spec, facts: Mapping[str, NodeFacts], text: str, *, passwords: Mapping[str, str], cloud: str, agents: str
) -> Iterator[Step]:
    keep = keeper(facts)
    for name, node in facts.items():
        yield from _key(node, keep, facts)
        old = node.files.get(COROSYNC_CONF)
        if old is None or old.text != text or old.mode != 0o644:
            yield WriteFile(name, COROSYNC_CONF, 0o644, Text(text), old.text if old else None)
        if node.agents != agents:
            yield InstallAgents(name, agents)
        yield from _park_unit(spec, node)
        yield from _fence_files(spec, node, passwords)
        yield from _cloud_file(spec, node, cloud)
        yield from _twin_key(spec, node, facts)


def keeper(facts: Mapping[str, NodeFacts]) -> str | None:
    """The node whose Corosync key all nodes get: one where it is in use, else the one that most nodes share.

    None: no node has a good one.
    """
    good = {name: node for name, node in facts.items() if _good_key(node)}
    if not good:
        return None
    sharing = {name: sum(_digest(other) == _digest(node) for other in good.values()) for name, node in good.items()}
    return min(good, key=lambda name: (good[name].cmap is None, -sharing[name], name))


def _good_key(node: NodeFacts) -> bool:
    """Corosync takes keys of 128 to 4096 bytes. Source: KNET_MIN_KEY_LEN, KNET_MAX_KEY_LEN."""
    key = node.files.get(AUTHKEY)
    return key is not None and 128 <= key.size <= 4096


def _digest(node: NodeFacts) -> str:
    return node.files[AUTHKEY].digest if AUTHKEY in node.files else ""


def _key(node: NodeFacts, keep: str | None, facts: Mapping[str, NodeFacts]) -> Iterator[Step]:
    if keep is None:
        yield WriteFile(node.name, AUTHKEY, 0o400, FreshKey())
        return
    has, shared = node.files.get(AUTHKEY), facts[keep].files[AUTHKEY]
    if has is None or has.digest != shared.digest or has.mode != 0o400 or has.owner != 0:
        yield WriteFile(node.name, AUTHKEY, 0o400, KeyOf(keep, AUTHKEY))


def _key_problems(facts: Mapping[str, NodeFacts]) -> Iterator[Problem]:
    """A Corosync that runs with a key of its own cannot be given another one under its feet."""
    keep = keeper(facts)
    if keep is None:
        return
    for name, node in facts.items():
        if node.cmap is not None and _digest(node) != _digest(facts[keep]):
            yield Problem(
                name,
                AUTHKEY,
                f"Corosync runs here with another key than on {keep}; run `systemctl stop pacemaker corosync` "
                "here, then apply again",
            )


def _park_unit(spec: Spec, node: NodeFacts) -> Iterator[Step]:
    """After what it runs is there. systemd reads it when it is enabled, and again when it next matters: at a boot."""
    if not carries_a_gateway(spec, node.name):
        return
    has, unit = node.files.get(PARK_UNIT_PATH), node.units.get(PARK_UNIT)
    digest = sha256(PARK_UNIT_TEXT.encode()).hexdigest()
    if has is None or (has.digest, has.mode, has.owner) != (digest, 0o644, 0):
        yield WriteFile(node.name, PARK_UNIT_PATH, 0o644, Text(PARK_UNIT_TEXT), _shown(has))
    if unit is None or not unit.enabled:
        yield EnableUnit(node.name, PARK_UNIT)


def _fence_files(spec: Spec, node: NodeFacts, passwords: Mapping[str, str]) -> Iterator[Step]:
    """A node has the passwords of the devices that it may use: those of all others, not its own."""
    wanted: dict[str, tuple[int, Content, str]] = {}
    for other, declared in spec.nodes.items():
        if other != node.name and declared.fence:
            text = script_text(other)
            wanted[password_path(other)] = (0o600, Password(other), passwords[other])
            wanted[script_path(other)] = (0o700, Text(text), sha256(text.encode()).hexdigest())
    for path, (mode, content, digest) in wanted.items():
        has = node.files.get(path)
        if has is None or (has.digest, has.mode, has.owner) != (digest, mode, 0):
            yield WriteFile(node.name, path, mode, content, _shown(has))


def _cloud_file(spec: Spec, node: NodeFacts, digest: str) -> Iterator[Step]:
    if spec.neutron is None or not in_pool(spec, node.name):
        return
    has = node.files.get(CLOUDS)
    if has is None or (has.digest, has.mode, has.owner) != (digest, 0o600, 0):
        yield WriteFile(node.name, CLOUDS, 0o600, CloudEntry(spec.neutron.cloud))


def _twin_key(spec: Spec, node: NodeFacts, facts: Mapping[str, NodeFacts]) -> Iterator[Step]:
    """All nodes of twins have one key: that of a node that runs, better one that most share. Who had another one gets
    it, and its stager takes it up by itself.
    """
    if not in_twin(spec, node.name):
        return
    has = {name: other.files[TWIN_KEY] for name, other in facts.items() if other.files.get(TWIN_KEY, _NO_FILE).size}
    if not has:
        yield WriteFile(node.name, TWIN_KEY, 0o600, FreshCertificate())
        return
    sharing = Counter(fact.digest for fact in has.values())
    keep = min(has, key=lambda name: (facts[name].cmap is None, -sharing[has[name].digest], name))
    own = has.get(node.name, _NO_FILE)
    if (own.digest, own.mode, own.owner) != (has[keep].digest, 0o600, 0):
        yield WriteFile(node.name, TWIN_KEY, 0o600, KeyOf(keep, TWIN_KEY))


def _shown(fact: FileFact | None) -> str | None:
    return fact.text if fact else None


def _leftovers(spec: Spec, facts: Mapping[str, NodeFacts]) -> Iterator[Step]:
    """Secrets that nothing uses any more; taken away last, when the configuration no longer names them. And what was
    for the routers of a gateway, where there is none.
    """
    for name, node in facts.items():
        wanted = {path(other) for other in spec.nodes if other != name for path in (password_path, script_path)}
        wanted = wanted if spec.fenced else set()
        for path in sorted(node.files):
            if path.startswith(f"{FENCE_DIR}/") and path not in wanted:
                yield RemoveFile(name, path)
        if CLOUDS in node.files and not in_pool(spec, name):
            yield RemoveFile(name, CLOUDS)
        if PARK_UNIT_PATH in node.files and not carries_a_gateway(spec, name):
            yield RemoveFile(name, PARK_UNIT_LINK)
            yield RemoveFile(name, PARK_UNIT_PATH)
        if TWIN_KEY in node.files and not in_twin(spec, name):
            yield RemoveFile(name, TWIN_KEY)


# --- the running cluster ----------------------------------------------------------------------------------------------


def _speaker(facts: Mapping[str, NodeFacts]) -> str:
    """The node that is asked for what has to be done once: one whose Pacemaker runs, if there is one."""
    return min(facts, key=lambda name: (facts[name].cib is None, facts[name].cmap is None, name))


def _configured(facts: Mapping[str, NodeFacts]) -> bool:
    """Whether a cluster runs that was configured before: then all its nodes were members once."""
    cib = facts[_speaker(facts)].cib
    return cib is not None and any(part.id == OURS for part in cib.walk() if part.tag == "tag")


def _reload(conf: Section, facts: Mapping[str, NodeFacts]) -> Iterator[Step]:
    running = sorted(name for name, node in facts.items() if node.cmap is not None)
    if any(membership.behind(conf, facts[name].cmap or {}) for name in running):
        yield ReloadCorosync(running[0])


def _units(unit: str, facts: Mapping[str, NodeFacts]) -> Iterator[Step]:
    for name, node in facts.items():
        has = node.units.get(unit)
        if has is None or not has.enabled:
            yield EnableUnit(name, unit)
        if has is None or not has.active:
            yield StartUnit(name, unit)
