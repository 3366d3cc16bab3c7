"""Neutron's API through openstacksdk: sessions, clouds.yaml and discovery are its work, errors are ours.

openstacksdk turns some refusals into data or into nothing (its proxy asks with `raise_exc=False`), so every request
here is made with `raise_exc=True` on the plain adapter.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import openstack
from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk

from hotspare.model.drill import Router
from hotspare.model.errors import HotspareError, NotReachableError, RefusedError, TimedOutError
from hotspare.model.status import AgentReport

L3_AGENT = "L3 agent"
ROUTER_PORTS = ("network:router_interface", "network:router_gateway")
PAGES_MAX = 1000
API_LIMIT_S = 10.0
CALL_LIMIT_S = 40.0
"""Authentication, discovery and several requests make one call of ours; each of them has `API_LIMIT_S`."""

T = TypeVar("T")

for library in ("keystoneauth", "openstack"):
    logging.getLogger(library).addHandler(logging.NullHandler())  # what they warn of comes back as an error of ours


class NeutronApi:
    """One cloud of clouds.yaml. The session is made at the first call and kept."""

    def __init__(self, cloud: str) -> None:
        self.cloud = cloud
        self._network: Any = None

    async def routers(self, gateway: str) -> tuple[Router, ...]:
        """The routers bound to the L3 agent whose host is `gateway`, by name, with floating IPs and ports.

        Raises:
            NotReachableError, TimedOutError, RefusedError: no answer, or no.
        """
        return await self._call(lambda: self._routers(gateway))

    async def agents(self, gateway: str) -> tuple[AgentReport, ...]:
        """What Neutron thinks of all agents whose host is `gateway`.

        Raises:
            NotReachableError, TimedOutError, RefusedError: no answer, or no.
        """
        return await self._call(
            lambda: tuple(
                AgentReport(
                    kind=row["agent_type"],
                    host=row["host"],
                    alive=row["alive"],
                    admin_up=row["admin_state_up"],
                    heartbeat=row.get("heartbeat_timestamp") or "",
                )
                for row in self._rows("agents", {"host": gateway})
            )
        )

    def _routers(self, gateway: str) -> tuple[Router, ...]:
        agents = [row["id"] for row in self._rows("agents", {"host": gateway}) if row["agent_type"] == L3_AGENT]
        if not agents:
            raise RefusedError(
                f"Neutron knows no L3 agent whose host is {gateway}",
                code=404,
                hint="the agent has to have run at least once with this gateway's name as its `host`",
            )
        bound = {
            row["id"]: row["name"]
            for agent in agents
            for row in self._rows(f"agents/{agent}/l3-routers", {}, "routers")
        }
        addresses: dict[str, list[str]] = {router: [] for router in bound}
        for row in self._rows("floatingips", {"fields": ["floating_ip_address", "router_id", "port_id"]}):
            if row["router_id"] in addresses and row["port_id"]:
                addresses[row["router_id"]].append(row["floating_ip_address"])
        ports: dict[str, list[str]] = {router: [] for router in bound}
        for owner in ROUTER_PORTS:
            for row in self._rows("ports", {"device_owner": owner, "fields": ["id", "device_id"]}):
                if row["device_id"] in ports:
                    ports[row["device_id"]].append(row["id"])
        found = (
            Router(router, name or router, tuple(sorted(addresses[router])), tuple(sorted(ports[router])))
            for router, name in bound.items()
        )
        return tuple(sorted(found, key=lambda router: (router.name, router.id)))

    def _rows(self, path: str, params: dict[str, Any], key: str = "") -> Iterator[dict[str, Any]]:
        """All rows of a collection, page after page."""
        if self._network is None:
            self._network = openstack.connect(cloud=self.cloud, api_timeout=API_LIMIT_S, app_name="hotspare").network
        key = key or path
        url, query = f"/{path}", params
        for _page in range(PAGES_MAX):
            body = self._network.get(url, params=query, raise_exc=True, connect_retries=0).json()
            yield from body[key]
            links = [link["href"] for link in body.get(f"{key}_links", ()) if link["rel"] == "next"]
            if not links:
                return
            url, query = links[0], {}

    async def _call(self, ask: Callable[[], T]) -> T:
        """Ask in a thread, with a deadline and our own errors."""
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                return await _in_thread(ask)
        except TimeoutError:
            raise TimedOutError(f"Neutron ({self.cloud}) gave no answer in {CALL_LIMIT_S:.0f} s") from None
        except (keystone.ClientException, sdk.SDKException) as failed:
            raise told(self.cloud, failed) from failed


async def _in_thread(ask: Callable[[], T]) -> T:
    """The answer of a call that blocks. Its thread keeps nobody from leaving: it is a daemon, and ends with us."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            setter(value)

    def work() -> None:
        try:
            found = ask()
        except Exception as failed:  # noqa: BLE001 (it is raised where it is awaited)
            done: tuple[Callable[[Any], None], object] = (answer.set_exception, failed)
        else:
            done = (answer.set_result, found)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, *done)

    threading.Thread(target=work, name="neutron", daemon=True).start()
    return await answer


def told(cloud: str, failed: Exception) -> HotspareError:
    """The SDK's error as ours: who has to act on it."""
    where = f"Neutron ({cloud})"
    match failed:
        case keystone.ConnectTimeout():
            return TimedOutError(f"{where} gave no answer in {API_LIMIT_S:.0f} s")
        case keystone.HttpError() | sdk.HttpException():
            code = getattr(failed, "http_status", None) or getattr(failed, "status_code", None) or 0
            if code in {502, 503, 504}:
                return NotReachableError(f"{where} is not there: {failed}")
            return RefusedError(f"{where} said no: {failed}", code=code, output=str(failed))
        case sdk.ConfigException():
            return RefusedError(
                f"{where}: {failed}", code=0, hint="name a cloud of clouds.yaml in the spec (neutron.cloud)"
            )
        case _:
            return NotReachableError(
                f"{where} could not be asked: {failed}", hint="is its API up, and clouds.yaml right?"
            )
