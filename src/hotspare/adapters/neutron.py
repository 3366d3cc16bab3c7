"""What Neutron's API says of a gateway."""

from hotspare.adapters.neutron_session import NeutronSession
from hotspare.codec.neutron_json import GATEWAY, INTERFACES, L3_AGENT
from hotspare.model.drill import Router
from hotspare.model.errors import RefusedError
from hotspare.model.status import AgentReport


class NeutronApi:
    """One cloud of clouds.yaml. The session is made at the first call and kept.

    Raises (all calls): NotReachableError, TimedOutError, RefusedError.
    """

    def __init__(self, cloud: str) -> None:
        self._session = NeutronSession(cloud)

    async def routers(self, gateway: str) -> tuple[Router, ...]:
        """The routers bound to the L3 agent whose host is `gateway`, by name, with floating IPs and ports.

        RefusedError 404: there is no such agent.
        """
        bound = await self._bound(gateway)
        addresses: dict[str, list[str]] = {router: [] for router in bound}
        for row in await self._session.rows(
            "floatingips", {"fields": ["id", "floating_ip_address", "router_id", "port_id"]}
        ):
            if row["router_id"] in addresses and row["port_id"]:
                addresses[row["router_id"]].append(row["floating_ip_address"])
        ports: dict[str, list[str]] = {router: [] for router in bound}
        for row in await self._session.rows(
            "ports", {"device_owner": [*INTERFACES, GATEWAY], "fields": ["id", "device_id"]}
        ):
            if row["device_id"] in ports:
                ports[row["device_id"]].append(row["id"])
        found = (
            Router(router, name or router, tuple(sorted(addresses[router])), tuple(sorted(ports[router])))
            for router, name in bound.items()
        )
        return tuple(sorted(found, key=lambda router: (router.name, router.id)))

    async def bound(self, gateway: str) -> tuple[str, ...]:
        """The ids of the routers bound to the L3 agent whose host is `gateway`.

        RefusedError 404: there is no such agent.
        """
        return tuple(await self._bound(gateway))

    async def agents(self, gateway: str) -> tuple[AgentReport, ...]:
        """What Neutron thinks of all agents whose host is `gateway`."""
        return tuple(
            AgentReport(
                kind=row["agent_type"],
                host=row["host"],
                alive=row["alive"],
                admin_up=row["admin_state_up"],
                heartbeat=row.get("heartbeat_timestamp") or "",
            )
            for row in await self._session.rows("agents", {"host": gateway})
        )

    async def _bound(self, gateway: str) -> dict[str, str]:
        """Id → name of the routers that are bound to the agent whose host is `gateway`."""
        agents = await self._session.rows("agents", {"host": gateway, "agent_type": L3_AGENT, "fields": "id"})
        if not agents:
            raise RefusedError(
                f"Neutron knows no L3 agent whose host is {gateway}",
                code=404,
                hint="the agent has to have run at least once with this gateway's name as its `host`",
            )
        return {
            row["id"]: row["name"]
            for agent in agents
            for row in await self._session.rows(f"agents/{agent['id']}/l3-routers", key="routers")
        }
