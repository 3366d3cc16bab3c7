"""A world of nodes as values, and what steps do to it: enough to plan, carry out, cut and plan again."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from hotspare.codec import corosync_conf, spec_yaml
from hotspare.model.cib import Element
from hotspare.model.cluster import ClusterStatus
from hotspare.model.observed import FileFact, NodeFacts, UnitFact
from hotspare.model.spec import Spec
from hotspare.model.step import (
    AwaitMembers,
    AwaitMoved,
    AwaitStopped,
    ChangeCib,
    CloudEntry,
    EnableUnit,
    ForgetNode,
    FreshCertificate,
    FreshKey,
    InstallAgents,
    KeyOf,
    Password,
    ReloadCorosync,
    RemoveFile,
    Stage,
    StartResource,
    StartUnit,
    Step,
    StopResource,
    Text,
    WriteFile,
)
from hotspare.plan import bootstrap, reconcile
from hotspare.plan.layout import AUTHKEY, COROSYNC_CONF, UNITS, query
from hotspare.plan.primitives import nvpairs

EMPTY_CIB = Element("cib", (), (Element("configuration", (), tuple(
    Element(tag) for tag in ("crm_config", "nodes", "resources", "constraints")
)),))  # fmt: skip
AGENTS = "digest-of-the-agents"
CLOUD = "digest-of-the-cloud's-entry"


def spec_of(text: str) -> Spec:
    document, found = spec_yaml.document(text, "cluster.yaml")
    return spec_yaml.spec(document, found)


def edge(nodes: int = 3, **changes: str) -> str:
    """A file like the lab's; a keyword replaces its text by another."""
    lines = ["cluster: {name: edge, token_ms: 1000}", "nodes:"]
    for n in range(1, nodes + 1):
        fence = f"{{agent: fence_ipmilan, ip: 10.0.9.{n}, username: admin, password_file: bmc}}"
        lines.append(f"  net{n}: {{rings: [172.16.1.{n}, 172.16.2.{n}], fence: {fence}}}")
    lines += [
        "vips: {failover: {ip: 172.16.1.100, prefix: 24, nic: eth0}}",
        "neutron: {cloud: lab, user: root}",
        "gateways: {gw: {nodes: [net1, net2]}}",
    ]
    text = "\n".join(lines) + "\n"
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


@dataclass
class World:
    """Files, units and what runs, on every node."""

    spec: Spec
    files: dict[str, dict[str, FileFact]] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    enabled: set[tuple[str, str]] = field(default_factory=set)
    active: set[tuple[str, str]] = field(default_factory=set)
    running_conf: dict[str, str] = field(default_factory=dict)
    """The text that each running Corosync has read."""
    cib: Element = EMPTY_CIB
    says: Callable[[], ClusterStatus] | None = None
    """What the cluster says of itself, where a plan asks for that."""

    def facts(self) -> dict[str, NodeFacts]:
        return {name: self._node(name) for name in self.spec.nodes}

    def _node(self, name: str) -> NodeFacts:
        files = dict(self.files.get(name, {}))
        conf = files.get(COROSYNC_CONF)
        units = {
            unit: UnitFact(True, (name, unit) in self.enabled, (name, unit) in self.active)
            for unit in query(self.spec, name).units
        }
        return NodeFacts(
            name=name,
            units=units,
            files=files,
            agents=self.agents.get(name),
            corosync=corosync_conf.read(conf.text or "") if conf else None,
            cmap=self._cmap(name),
            cib=self.cib if (name, UNITS[1]) in self.active else None,
        )

    def _cmap(self, name: str) -> dict[str, str] | None:
        if name not in self.running_conf:
            return None
        conf = corosync_conf.read(self.running_conf[name])
        cmap = {f"totem.{key}": value for key, value in conf.first("totem").values}
        for link in conf.first("totem").of("interface"):
            values = {key: value for key, value in link.values if key != "linknumber"}  # by this the others are told
            cmap |= {f"totem.interface.{link.get('linknumber')}.{key}": value for key, value in values.items()}
        for part in ("quorum", "logging"):
            cmap |= {f"{part}.{key}": value for key, value in conf.first(part).values}
        for number, node in enumerate(conf.first("nodelist").of("node")):
            cmap |= {f"nodelist.node.{number}.{key}": value for key, value in node.values}
            if node.get("name") in self.running_conf:
                cmap[f"runtime.members.{node.get('nodeid')}.status"] = "joined"
        return cmap

    def carry_out(self, step: Step) -> None:  # noqa: C901, PLR0912 (a table, one case a step)
        match step:
            case WriteFile(node, path, mode, content):
                self.files.setdefault(node, {})[path] = self._file(mode, content)
            case RemoveFile(node, path):
                self.files.get(node, {}).pop(path, None)
            case InstallAgents(node, digest):
                self.agents[node] = digest
            case EnableUnit(node, unit):
                self.enabled.add((node, unit))
            case StartUnit(node, unit):
                self._start(node, unit)
            case ReloadCorosync():
                for node in self.running_conf:
                    self.running_conf[node] = self.files[node][COROSYNC_CONF].text or ""
            case AwaitMembers(members=members):
                assert all((node, UNITS[1]) in self.active for node in members)
                keys = {self.files[node][AUTHKEY].digest for node in members}
                confs = {self.running_conf[node] for node in members}
                assert len(keys) == len(confs) == 1, "the nodes could not be one cluster"
            case StopResource(_, resource):
                self.cib = _told(self.cib, resource, {"target-role": "Stopped"})
            case StartResource(_, resource):
                self.cib = _told(self.cib, resource, {})
            case AwaitStopped(resources=resources):
                below = {part.id for top in self.stopped() for part in top.walk()}
                assert below.issuperset(resources), "nobody told these to stop"
            case ChangeCib(wanted=wanted):
                out = {old.id for old in reconcile.taken_out(self.cib, wanted)}
                assert out <= {top.id for top in self.stopped()}, "taken out while it may run"
                self.cib = reconcile.reconciled(self.cib, wanted)
            case AwaitMoved() | ForgetNode():
                pass

    def stopped(self) -> tuple[Element, ...]:
        """Resources that the cluster was told to stop."""
        return tuple(part for part in self.cib.walk() if reconcile.is_stopped(part))

    def _start(self, node: str, unit: str) -> None:
        assert {AUTHKEY, COROSYNC_CONF} <= self.files[node].keys(), "started before its files were there"
        if unit == UNITS[1]:
            assert (node, UNITS[0]) in self.active, "Pacemaker before Corosync"
        self.active.add((node, unit))
        self.running_conf.setdefault(node, self.files[node][COROSYNC_CONF].text or "")

    def _file(self, mode: int, content: object) -> FileFact:
        match content:
            case Text(text):
                return FileFact(sha256(text.encode()).hexdigest(), mode, 0, len(text), text)
            case Password(node):
                return FileFact(passwords(self.spec)[node], mode, 0, 20)
            case KeyOf(node, path):
                return replace(self.files[node][path], mode=mode, owner=0)
            case FreshKey():
                return FileFact("a fresh key", mode, 0, 256)
            case FreshCertificate():
                return FileFact("a fresh certificate", mode, 0, 900)
            case CloudEntry():
                return FileFact(CLOUD, mode, 0, 300)
        raise AssertionError(content)

    def plan(self) -> tuple[Stage, ...]:
        return bootstrap.plan(
            self.spec,
            self.facts(),
            passwords=passwords(self.spec),
            cloud=CLOUD,
            agents=AGENTS,
            written=corosync_conf.write,
            status=self.says() if self.says else None,
        )

    def carry_out_all(self) -> tuple[Step, ...]:
        steps = tuple(step for stage in self.plan() for step in stage.steps)
        for step in steps:
            self.carry_out(step)
        return steps


def _told(top: Element, resource: str, pairs: dict[str, str]) -> Element:
    """With these words of an operator on the resource, and no others."""
    if top.id != resource:
        return Element(top.tag, top.attributes, tuple(_told(child, resource, pairs) for child in top.children))
    own = nvpairs("meta_attributes", f"{resource}-meta_attributes", pairs)
    rest = tuple(child for child in top.children if child.id != own.id)
    return Element(top.tag, top.attributes, (*rest, own) if pairs else rest)


def passwords(spec: Spec) -> dict[str, str]:
    return {name: sha256(name.encode()).hexdigest() for name, node in spec.nodes.items() if node.fence}
