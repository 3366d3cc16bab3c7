"""Frames of the twin's channel: what goes in comes out, and what is no frame is refused before it costs anything."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec.twin_frames import (
    FIRST_FREE,
    HEADER_BYTES,
    KIND_MAX,
    Beat,
    Control,
    Frame,
    FrameError,
    Head,
    Hello,
    OversizedError,
    beat,
    decoded,
    encoded,
    head,
    hello,
    read_beat,
    read_hello,
)

MAX = 1 << 20
FRAMES = st.builds(
    Frame, st.integers(FIRST_FREE, KIND_MAX), st.binary() | st.binary(max_size=20).map(lambda b: b * 999)
)


def over_the_wire(raw: bytes, bytes_max: int = MAX) -> Frame:
    return decoded(head(raw[:HEADER_BYTES], bytes_max=bytes_max), raw[HEADER_BYTES:], bytes_max=bytes_max)


@given(FRAMES)
def test_a_frame_comes_out_as_it_went_in(frame: Frame) -> None:
    raw = encoded(frame)
    assert head(raw[:HEADER_BYTES], bytes_max=MAX).length == len(raw) - HEADER_BYTES
    assert over_the_wire(raw) == frame


def test_what_is_large_is_packed() -> None:
    assert len(encoded(Frame(FIRST_FREE, b"-A neutron-l3-agent-POSTROUTING " * 1000))) < 1000
    assert encoded(Frame(FIRST_FREE, b"abc")) == b"\0\0\0\3\x10\0abc"


@given(st.binary(min_size=HEADER_BYTES, max_size=100))
def test_any_bytes_are_a_frame_or_refused(raw: bytes) -> None:
    try:
        about = head(raw[:HEADER_BYTES], bytes_max=1000)
        decoded(about, raw[HEADER_BYTES:], bytes_max=1000)
    except FrameError:
        return
    assert about.length <= 1000


def test_a_frame_that_is_too_long_is_refused_by_its_header() -> None:
    with pytest.raises(OversizedError):
        head(b"\xff\xff\xff\xff\x10\x00", bytes_max=MAX)


def test_a_body_that_unpacks_to_too_much_is_refused() -> None:
    bomb = zlib.compress(bytes(10 * MAX))
    with pytest.raises(OversizedError):
        decoded(Head(len(bomb), FIRST_FREE, is_packed=True), bomb, bytes_max=MAX)


@pytest.mark.parametrize("body", [b"", b"garbage", zlib.compress(b"whole")[:-3], zlib.compress(b"whole") + b"more"])
def test_a_body_that_is_not_one_packed_whole_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        decoded(Head(len(body), FIRST_FREE, is_packed=True), body, bytes_max=MAX)


@pytest.mark.parametrize("raw", [b"\0\0\0\0\x04\0", b"\0\0\0\0\x0f\0", b"\0\0\0\0\x10\2", b"GET / "])
def test_a_header_of_no_kind_of_ours_is_refused(raw: bytes) -> None:
    with pytest.raises(FrameError):
        head(raw, bytes_max=1 << 40)


@given(st.builds(Hello, st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.booleans()))
def test_a_greeting_says_who_speaks(said: Hello) -> None:
    assert read_hello(over_the_wire(encoded(hello(said)))) == said


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"7", b"\xff", b"[" * 9000,
        b'{"protocol": 1, "gateway": "gw", "node": "net1"}',
        b'{"protocol": 2, "gateway": "gw", "node": "net1", "carries": true}',
        b'{"protocol": 1, "gateway": "", "node": "net1", "carries": true}',
        b'{"protocol": 1, "gateway": 5, "node": "net1", "carries": true}',
        b'{"protocol": 1, "gateway": "gw", "node": "net1", "carries": 1}',
    ],
)  # fmt: skip
def test_what_is_no_greeting_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        read_hello(Frame(Control.HELLO, payload))


def test_a_greeting_of_another_kind_is_refused() -> None:
    with pytest.raises(FrameError):
        read_hello(Frame(Control.BEAT, hello(Hello("gw", "net1", carries=True)).payload))


@given(st.builds(Beat, st.booleans(), st.integers(0, 2**64 - 1)))
def test_a_sign_of_life_carries_its_number(said: Beat) -> None:
    assert read_beat(over_the_wire(encoded(beat(said)))) == said


@pytest.mark.parametrize(
    "frame", [Frame(Control.BEAT, b"x"), Frame(Control.BEAT, b"\2" + bytes(8)), Frame(16, bytes(9))]
)
def test_what_is_no_sign_of_life_is_refused(frame: Frame) -> None:
    with pytest.raises(FrameError):
        read_beat(frame)
