"""`ports.Nodes` over `ports.Remote`: looks at a node by one script, and carries steps out. No decisions."""

import asyncio
import json
import os
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files

from hotspare.adapters.bundle import Bundle
from hotspare.adapters.certificate import self_signed
from hotspare.codec import cib_xml, crm_mon_xml, facts_json
from hotspare.model.cluster import ClusterStatus
from hotspare.model.errors import InvariantError, RefusedError
from hotspare.model.observed import NodeFacts, Query
from hotspare.model.secret import Secret
from hotspare.model.step import (
    AwaitMembers,
    AwaitMoved,
    AwaitStopped,
    ChangeCib,
    CloudEntry,
    Content,
    EnableUnit,
    ForgetNode,
    FreshCertificate,
    FreshKey,
    InstallAgents,
    KeyOf,
    Password,
    ReloadCorosync,
    RemoveFile,
    StartResource,
    StartUnit,
    Step,
    StopResource,
    Text,
    WriteFile,
)
from hotspare.plan.layout import AUTHKEY_BYTES, CONFIG_DIR, COROSYNC_CONF
from hotspare.plan.reconcile import changes, reconciled
from hotspare.ports import Remote

LOOK_LIMIT_S = 45.0
FILE_LIMIT_S = 20.0
ASK_LIMIT_S = 15.0
START_LIMIT_S = 100.0
"""Above systemd's own 90 s, so that its reason comes through."""
CHANGE_LIMIT_S = 90.0
CHANGED_MEANWHILE = 3
EDITS_MAX = 5
"""How often somebody else may change the configuration between our reading and loading it."""

TARGET_ROLE = "target-role"

PYTHON = ("/usr/bin/python3", "-IS", "-c")


class RemoteNodes:
    """The nodes behind `remote`, the secrets that their files get (fence passwords, the cloud's entry), and the agents
    that they carry.
    """

    def __init__(
        self, remote: Remote, passwords: Mapping[str, Secret], bundle: Bundle, *, cloud: Secret | None = None
    ) -> None:
        self._remote, self._passwords, self._bundle, self._cloud = remote, passwords, bundle, cloud
        self._fresh_key = Secret(os.urandom(AUTHKEY_BYTES))
        self._fresh_certificate = cache(self_signed)

    async def look(self, node: str, query: Query) -> NodeFacts:
        """See `ports.Nodes.look`."""
        argv = (*PYTHON, _script("cluster_facts.py"), facts_json.question(query))
        done = await self._remote.run(node, argv, timeout_s=LOOK_LIMIT_S)
        try:
            return facts_json.read(done.stdout, node, COROSYNC_CONF)
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(f"{node} did not tell its state: {error}", code=0, output=done.stdout[:500]) from error

    async def cluster(self, node: str) -> ClusterStatus:
        """See `ports.Nodes.cluster`."""
        # Where Pacemaker is not up yet the XML says so, with another exit status: the reader tells it in words.
        every = frozenset(range(256))
        done = await self._remote.run(node, crm_mon_xml.CRM_MON, timeout_s=ASK_LIMIT_S, expect=every)
        try:
            return crm_mon_xml.read(done.stdout)
        except ValueError as error:
            raise RefusedError(f"{node}: {error}", code=done.code, output=done.stderr) from error

    async def carry_out(self, step: Step) -> None:  # noqa: C901 (a table, one case a step)
        """See `ports.Nodes.carry_out`."""
        match step:
            case WriteFile(node, path, mode, content):
                await self._write(node, path, mode, await self._bytes(content))
            case RemoveFile(node, path):
                await self._run(node, ("rm", "-f", path), FILE_LIMIT_S)
            case InstallAgents(node):
                await self._install(step)
            case EnableUnit(node, unit):
                await self._run(node, ("systemctl", "enable", "--quiet", unit), FILE_LIMIT_S)
            case StartUnit(node, unit):
                await self._start(node, unit)
            case ReloadCorosync(node):
                await self._run(node, ("corosync-cfgtool", "-R"), ASK_LIMIT_S)
            case ForgetNode(node, gone):
                await self._run(node, ("crm_node", "--force", "--remove", gone), ASK_LIMIT_S)
            case StopResource(node, resource):
                await self._target_role(node, resource, "--set-parameter", TARGET_ROLE, "--parameter-value", "Stopped")
            case StartResource(node, resource):
                await self._target_role(node, resource, "--delete-parameter", TARGET_ROLE)
            case ChangeCib():
                await self._change_cib(step)
            case AwaitMembers() | AwaitStopped() | AwaitMoved():
                raise InvariantError("waiting is the flow's part")

    async def _run(self, node: str, argv: tuple[str, ...], limit_s: float) -> None:
        await self._remote.run(node, argv, timeout_s=limit_s)

    async def _target_role(self, node: str, resource: str, *change: str) -> None:
        await self._run(node, ("crm_resource", "--resource", resource, "--meta", *change), ASK_LIMIT_S)

    async def _bytes(self, content: Content) -> bytes:
        match content:
            case Text(text):
                return text.encode()
            case Password(node):
                return self._passwords[node].value
            case FreshKey():
                return self._fresh_key.value
            case FreshCertificate():
                return self._fresh_certificate().value
            case KeyOf(node, path):
                return await self._key(node, path)
            case CloudEntry(cloud):
                if self._cloud is None:
                    raise InvariantError(f"planned with the entry of cloud {cloud}, which nobody has read")
                return self._cloud.value

    async def _key(self, node: str, path: str) -> bytes:
        """A key may be binary and commands' output is text, so it comes as hexadecimal digits."""
        program = "import sys; sys.stdout.write(open(sys.argv[1], 'rb').read().hex())"
        done = await self._remote.run(node, (*PYTHON, program, path), timeout_s=FILE_LIMIT_S)
        return bytes.fromhex(done.stdout)

    async def _write(self, node: str, path: str, mode: int, content: bytes) -> None:
        directory = path.rpartition("/")[0]
        if directory.startswith(CONFIG_DIR):
            parents = dict.fromkeys((CONFIG_DIR, directory))
            await self._run(node, ("install", "-d", "-m", "0700", "-o", "root", "-g", "root", *parents), FILE_LIMIT_S)
        await self._remote.put(node, path, content, mode=mode, timeout_s=FILE_LIMIT_S)

    async def _install(self, step: InstallAgents) -> None:
        if step.digest != self._bundle.digest:
            raise InvariantError("the agents on this machine changed since this was planned")
        argv = (*PYTHON, _script("install_agents.py"))
        await self._remote.run(step.node, argv, stdin=self._bundle.tar, timeout_s=FILE_LIMIT_S)

    async def _start(self, node: str, unit: str) -> None:
        """A failed start before is forgotten first, else systemd's start limit may refuse this one."""
        await self._remote.run(
            node, ("systemctl", "reset-failed", unit), timeout_s=FILE_LIMIT_S, expect=frozenset({0, 1})
        )
        try:
            await self._run(node, ("systemctl", "start", unit), START_LIMIT_S)
        except RefusedError as error:
            raise RefusedError(
                error.message, code=error.code, output=error.output, hint=f"on {node}: journalctl --unit={unit} -e"
            ) from error

    async def _change_cib(self, step: ChangeCib) -> None:
        """Worked out anew from what is there now; somebody else's change meanwhile only means another try."""
        for _try in range(EDITS_MAX):
            text = (await self._remote.run(step.node, ("cibadmin", "--query"), timeout_s=ASK_LIMIT_S)).stdout
            before = cib_xml.read(text)
            if not changes(before, step.wanted):
                return
            told = {"before": text, "after": cib_xml.write(reconciled(before, step.wanted))}
            done = await self._remote.run(
                step.node,
                (*PYTHON, _script("change_cib.py")),
                stdin=json.dumps(told).encode(),
                timeout_s=CHANGE_LIMIT_S,
                expect=frozenset({0, CHANGED_MEANWHILE}),
            )
            if done.code == 0:
                return
            await asyncio.sleep(0.2)
        raise RefusedError(
            f"the cluster's configuration was changed by somebody else during each of {EDITS_MAX} tries",
            code=CHANGED_MEANWHILE,
            hint="see who writes to it, then apply again",
        )


def digest(secret: Secret) -> str:
    """What a plan may know of a secret."""
    return sha256(secret.value).hexdigest()


def _script(name: str) -> str:
    return (files("hotspare.adapters") / "onsite" / name).read_text()
