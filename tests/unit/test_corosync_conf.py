"""corosync.conf survives being read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec import corosync_conf
from hotspare.model.corosync import Section

words = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8)
values = st.text("abc0123456789.:-/ ", max_size=12).map(str.strip).filter(lambda text: not text.endswith("{"))
pairs = st.lists(st.tuples(words, values), max_size=4).map(tuple)
sections = st.recursive(
    st.builds(Section, words, pairs),
    lambda inner: st.builds(Section, words, pairs, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)
roots = st.builds(Section, st.just(""), pairs, st.lists(sections, max_size=3).map(tuple))


@given(roots)
def test_what_is_written_reads_as_the_same(root: Section) -> None:
    assert corosync_conf.read(corosync_conf.write(root)) == root


@given(roots)
def test_writing_again_gives_the_same_text(root: Section) -> None:
    text = corosync_conf.write(root)
    assert corosync_conf.write(corosync_conf.read(text)) == text


def test_a_hand_made_file_with_comments_is_read() -> None:
    text = "# mine\ntotem {\n\tversion:2\n  token : 3000\n}\nnodelist {\n  node {\n  ring0_addr: fe80::1\n }\n}\n"
    root = corosync_conf.read(text)
    assert root.first("totem").values == (("version", "2"), ("token", "3000"))
    assert [node.get("ring0_addr") for node in root.first("nodelist").of("node")] == ["fe80::1"]


@pytest.mark.parametrize("text", ["totem {\n", "}\n", "totem\n", ": x\n"])
def test_a_broken_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"corosync\.conf"):
        corosync_conf.read(text)


def test_a_running_map_is_read_by_key() -> None:
    text = "totem.token (u32) = 1000\nnodelist.node.0.name (str) = net1\nquorum.x (str) = \nnot a line\n"
    assert corosync_conf.read_cmap(text) == {
        "totem.token": "1000",
        "nodelist.node.0.name": "net1",
        "quorum.x": "",
    }
