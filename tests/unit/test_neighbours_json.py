"""Neighbours on their way from the carrier to its spares."""

import json

import pytest

from hotspare.codec.neighbours_json import neighbours, text
from hotspare.model.dataplane import Neighbour

KNOWN = {
    "qrouter-1": frozenset(
        [
            Neighbour("qg-1", "203.0.113.1", "fa:16:3e:00:00:01"),
            Neighbour("qr-1", "2001:db8::5", "fa:16:3e:00:00:02"),
        ]
    ),
    "qrouter-2": frozenset([Neighbour("qr-2", "10.0.0.5", "fa:16:3e:00:00:03")]),
}


def test_what_is_told_is_what_is_heard_and_the_same_text_every_time():
    assert neighbours(text(KNOWN)) == KNOWN
    assert text(dict(reversed(KNOWN.items()))) == text(KNOWN)
    assert neighbours(text({})) == {}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("nothing", "Expecting value"),
        ("[]", "no neighbours"),
        ('{"qrouter-1": [["qr-1", "10.0.0.5"]]}', "not enough values"),
        ('{"qrouter-1": [["qr-1", "ten", "fa:16:3e:00:00:03"]]}', "'ten'"),
        ('{"qrouter-1": [["qr-1", "10.0.0.5", "fa:16:3e"]]}', "not a mac: fa:16:3e"),
        ('{"qrouter-1": 5}', "no neighbours"),
    ],
)
def test_what_is_none_is_refused(told: str, why: str):
    with pytest.raises(ValueError, match=why):
        neighbours(told)


def test_it_is_plain_json():
    assert json.loads(text(KNOWN))["qrouter-2"] == [["qr-2", "10.0.0.5", "fa:16:3e:00:00:03"]]
