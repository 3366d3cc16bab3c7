"""One node for all tests that need a node and no lab; each test finds it empty, with Open vSwitch running."""

import os
from collections.abc import Iterator

import pytest

from hotspare.lab import image
from ocf_node import OcfNode, booted


@pytest.fixture(scope="session")
def booted_node() -> Iterator[OcfNode]:
    if os.geteuid() != 0:
        pytest.skip("a node of one's own needs root")
    with booted(image.ensure_image(print)) as node:
        yield node


@pytest.fixture
def node(booted_node: OcfNode) -> OcfNode:
    booted_node.reset()
    return booted_node
