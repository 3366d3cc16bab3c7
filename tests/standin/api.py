"""Neutron's Networking API v2.0 over a world: what is answered to a request, with pages and `fields`. No sockets."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from standin.world import DHCP, GATEWAY, INTERFACE, L3, SWITCH, Agent, Network, NoError, Port, Router, World

Query = Mapping[str, list[str]]
Row = dict[str, Any]

NO_SUCH_PATH = NoError(404, "HTTPNotFound", "The resource could not be found.")

MADE, GONE, OK, FAILED = 201, 204, 200, 500

FOR_ADMINS = re.compile(r"(provider|binding):")
"""Attributes that the default policy shows to administrators only."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any = None
    after_s: float = 0.0
    """How long Neutron blocks before it answers; what it did is done at once."""


class Api:
    """Answers for one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        collection: dict[str, Callable[[], Iterator[Row]]] = {
            "agents": lambda: map(self._agent, world.agents.values()),
            "routers": lambda: map(_router, world.routers.values()),
            "networks": lambda: map(_network, world.networks.values()),
            "ports": lambda: (_port(port) for ports in world.ports.values() for port in ports),
            "floatingips": self._floating_ips,
            "subnets": self._subnets,
        }
        self._collections = collection

    def answer(self, method: str, path: str, query: Query, body: Any = None, *, admin: bool = True) -> Answer:
        """What Neutron says to a request below /v2.0, e.g. `GET`, `agents/ID/l3-routers`."""
        try:
            return self._answered(method, path, query, body or {}, admin=admin)
        except NoError as no:
            return Answer(no.status, {"NeutronError": {"type": no.kind, "message": no.words, "detail": ""}})

    def _answered(self, method: str, path: str, query: Query, body: Mapping[str, str], *, admin: bool) -> Answer:
        match method, path.split("/"):
            case "GET", [collection] if collection in self._collections:
                return Answer(OK, self._page(collection, query, admin=admin))
            case _ if not admin:
                raise NoError(403, "PolicyNotAuthorized", "It is disallowed by policy")
            case "GET", [_, _, _]:
                return Answer(OK, self._related(path))
            case _, ["agents", agent, kind, *thing]:
                return self._change(method, agent, kind, *thing, **body)
            case _:
                raise NO_SUCH_PATH

    def _change(self, method: str, agent: str, kind: str, thing: str = "", **asked: str) -> Answer:
        match method, kind:
            case "POST", "l3-routers":
                blocked_s = self.world.bind(asked["router_id"], agent)
                return Answer(MADE) if not blocked_s else Answer(FAILED, _unheard(), after_s=blocked_s)
            case "DELETE", "l3-routers":
                self.world.unbind(thing, agent)
            case "POST", "dhcp-networks":
                self.world.bind_network(asked["network_id"], agent)
                return Answer(MADE)
            case "DELETE", "dhcp-networks":
                self.world.unbind_network(thing, agent)
            case _:
                raise NO_SUCH_PATH
        return Answer(GONE)

    def _related(self, path: str) -> dict[str, list[Row]]:
        """Whole rows: these collections know neither pages nor fields."""
        world = self.world
        match path.split("/"):
            case ["agents", agent, "l3-routers"]:
                world.agent(agent)
                return {"routers": [_router(world.routers[one]) for one, by in world.serving.items() if agent in by]}
            case ["agents", agent, "dhcp-networks"]:
                world.agent(agent)
                return {"networks": [_network(world.networks[one]) for one, by in world.leasing.items() if agent in by]}
            case ["routers", router, "l3-agents"]:
                world.router(router)
                return {"agents": [self._agent(world.agents[one]) for one in world.serving[router]]}
            case ["networks", network, "dhcp-agents"]:  # none for a network that does not exist, unlike routers
                return {"agents": [self._agent(world.agents[one]) for one in world.leasing.get(network, ())]}
            case _:
                raise NO_SUCH_PATH

    def _page(self, collection: str, query: Query, *, admin: bool) -> dict[str, Any]:
        if collection == "agents" and not admin:
            return {"agents": []}  # the policy is asked row by row
        rows = sorted(self._filtered(collection, query), key=lambda row: row["id"])
        marker = query.get("marker", [""])[0]
        rest = [row for row in rows if row["id"] > marker]
        limit = int(query.get("limit", [len(rest)])[0])
        page = rest[:limit]
        links = [{"rel": "next", "href": "http://only.inside/"}] if len(rest) > limit else []
        fields = set(query.get("fields", ()))
        shown = [{name: row[name] for name in row if _shown(name, fields, admin=admin)} for row in page]
        return {collection: shown, f"{collection}_links": links}

    def _filtered(self, collection: str, query: Query) -> Iterable[Row]:
        """The rows whose attributes have one of the values that the query names."""
        ruling = ("limit", "marker", "fields")
        wanted = {name: set(values) for name, values in query.items() if name not in ruling}
        return (
            row
            for row in self._collections[collection]()
            if all(str(row[name]) in values for name, values in wanted.items())
        )

    def _agent(self, agent: Agent) -> Row:
        told: Row = {}
        if agent.kind == SWITCH:
            told = {
                "bridge_mappings": {physnet: f"br-{physnet}" for physnet in agent.physnets},
                "tunnel_types": list(agent.tunnel_types),
            }
        elif agent.kind == L3:
            told = {"agent_mode": agent.mode, "handle_internal_only_routers": agent.internal_only}
        return {
            "id": agent.id,
            "agent_type": agent.kind,
            "host": agent.host,
            "alive": self.world.alive(agent),
            "admin_state_up": agent.admin_up,
            "availability_zone": agent.zone if agent.kind in {L3, DHCP} else None,
            "configurations": told,
        }

    def _floating_ips(self) -> Iterator[Row]:
        for router in self.world.routers.values():
            for number in range(router.floating_ips):
                yield {"id": f"{router.id}-floating-{number}", "router_id": router.id}

    def _subnets(self) -> Iterator[Row]:
        for network in self.world.networks.values():
            yield {"id": f"{network.id}-subnet", "network_id": network.id, "enable_dhcp": network.dhcp}


def _shown(name: str, fields: set[str], *, admin: bool) -> bool:
    return (not fields or name in fields) and (admin or not FOR_ADMINS.match(name))


def _router(router: Router) -> Row:
    return {
        "id": router.id,
        "name": router.name,
        "admin_state_up": router.admin_up,
        "ha": router.ha,
        "distributed": router.distributed,
        "availability_zone_hints": list(router.zones),
        "external_gateway_info": {"network_id": router.outside} if router.outside else None,
        "tags": list(router.tags),
    }


def _network(network: Network) -> Row:
    return {
        "id": network.id,
        "name": network.name,
        "availability_zone_hints": list(network.zones),
        "provider:network_type": network.kind,
        "provider:physical_network": network.physnet,
    }


def _port(port: Port) -> Row:
    assert port.owner in {INTERFACE, GATEWAY}
    return {
        "id": port.id,
        "device_id": port.router,
        "device_owner": port.owner,
        "network_id": port.network,
        "admin_state_up": port.admin_up,
        "status": "ACTIVE" if port.active else "DOWN",
        "binding:host_id": port.host,
        "binding:vif_type": port.vif,
    }


def _unheard() -> Row:
    words = "Request Failed: internal server error while processing your request."
    return {"NeutronError": {"type": "HTTPInternalServerError", "message": words, "detail": ""}}
