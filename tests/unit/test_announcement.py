"""Announcements as bytes: known ones, and what a neighbour checks before it heeds one."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec.announcement import frames
from hotspare.model.staging import Announcement

MACS = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


def announced(mac: str, address: str) -> tuple[bytes, ...]:
    return frames(Announcement("qrouter-1", "qg-1", mac, address))


def test_ipv4_is_a_request_and_a_reply_that_everybody_gets() -> None:
    request, reply = announced("fa:16:3e:01:02:03", "10.30.0.7")
    ethernet, kind, padding = "ffffffffffff fa163e010203 0806", "0001 0800 06 04", "00" * 18
    sender, address = "fa163e010203 0a1e0007", "0a1e0007"
    assert request == bytes.fromhex(f"{ethernet} {kind} 0001 {sender} 000000000000 {address} {padding}")
    assert reply == bytes.fromhex(f"{ethernet} {kind} 0002 {sender} fa163e010203 {address} {padding}")


def test_ipv6_is_an_advertisement_of_a_router_to_all_nodes() -> None:
    """That a kernel takes its checksum for right, tests/contract/test_announcer.py shows."""
    (advertisement,) = announced("fa:16:3e:01:02:03", "2001:db8::7")
    address, all_nodes = "20010db8000000000000000000000007", "ff020000000000000000000000000001"
    assert advertisement == bytes.fromhex(
        f"333300000001 fa163e010203 86dd 60000000 0020 3a ff {address} {all_nodes}"
        f"88 00 4104 a0000000 {address} 02 01 fa163e010203"
    )


@given(MACS, st.integers(0, 2**32 - 1).map(IPv4Address))
def test_any_ipv4_address_is_said_to_be_at_the_mac(mac: str, address: IPv4Address) -> None:
    raw = bytes.fromhex(mac.replace(":", ""))
    for number, frame in enumerate(announced(mac, str(address)), start=1):
        assert len(frame) == 60
        assert frame[6:12] == frame[22:28] == raw
        assert frame[28:32] == frame[38:42] == address.packed
        assert frame[20:22] == number.to_bytes(2)


@given(MACS, st.integers(0, 2**128 - 1).map(IPv6Address))
def test_any_ipv6_address_is_said_to_be_at_the_mac_with_a_right_checksum(mac: str, address: IPv6Address) -> None:
    (frame,) = announced(mac, str(address))
    packet, message = frame[14:], frame[54:]
    assert packet[7] == 255
    assert struct.unpack("!H", packet[4:6]) == (len(message),)
    assert message[8:24] == packet[8:24] == address.packed
    assert frame[6:12] == message[26:32] == bytes.fromhex(mac.replace(":", ""))
    covered = packet[8:40] + len(message).to_bytes(4) + (58).to_bytes(4) + message
    assert sum(struct.unpack(f"!{len(covered) // 2}H", covered)) % 0xFFFF == 0


@pytest.mark.parametrize(
    ("mac", "address"),
    [("fa:16:3e:01:02", "10.0.0.1"), ("", "10.0.0.1"), ("fa:16:3e:01:02:zz", "::1"),
     ("fa:16:3e:01:02:03", "10.0.0.1/24")],
)  # fmt: skip
def test_what_is_no_mac_or_address_is_refused(mac: str, address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whose words they are does not matter)
        announced(mac, address)
