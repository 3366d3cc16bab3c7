"""Ours is made equal, everything else in the configuration stays as it is."""

from cluster_world import EMPTY_CIB, edge, spec_of
from hypothesis import given
from hypothesis import strategies as st

from hotspare.codec import cib_xml
from hotspare.model.cib import Element
from hotspare.plan import configuration, reconcile

WANTED = configuration.wanted(spec_of(edge()))

names = st.text("abcdefghij-_0123456789", min_size=1, max_size=6).map(lambda text: f"x{text}")
texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8)
attributes = st.dictionaries(names, texts, max_size=3).map(lambda found: tuple(sorted(found.items())))
elements = st.recursive(
    st.builds(Element, names, attributes),
    lambda inner: st.builds(Element, names, attributes, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=10,
)
theirs = st.lists(st.builds(
    lambda number: Element("primitive", (("class", "ocf"), ("id", f"theirs-{number}"), ("type", "Dummy"))),
    st.integers(0, 99),
), unique=True, max_size=4)  # fmt: skip


def with_resources(*resources: Element) -> Element:
    configuration_ = EMPTY_CIB.children[0]
    children = tuple(
        Element(child.tag, child.attributes, (*child.children, *resources)) if child.tag == "resources" else child
        for child in configuration_.children
    )
    return Element("cib", (), (Element("configuration", (), children),))


@given(elements)
def test_what_is_written_as_xml_reads_as_the_same(element: Element) -> None:
    assert cib_xml.read(cib_xml.write(element)) == element


@given(theirs)
def test_what_is_not_ours_stays_and_ours_is_whole(others: list[Element]) -> None:
    cib = reconcile.reconciled(with_resources(*others), WANTED)
    found = list(cib.walk())
    assert all(other in found for other in others)
    assert all(wanted in found for _, wanted in WANTED.elements)
    assert reconcile.changes(cib, WANTED) == ()


def test_an_operators_stop_is_not_undone() -> None:
    cib = reconcile.reconciled(EMPTY_CIB, WANTED)
    stop = '<nvpair id="failover-meta-target-role" name="target-role" value="Stopped"/>'
    text = cib_xml.write(cib)
    stopped = cib_xml.read(
        text.replace('<meta_attributes id="failover-meta">', f'<meta_attributes id="failover-meta">{stop}')
    )
    assert stopped != cib
    assert reconcile.changes(stopped, WANTED) == ()


def test_an_operators_stop_of_a_whole_group_is_not_undone() -> None:
    cib = reconcile.reconciled(EMPTY_CIB, WANTED)
    stop = (
        '<meta_attributes id="by-hand"><nvpair id="by-hand-role" name="target-role" value="Stopped"/></meta_attributes>'
    )
    stopped = cib_xml.read(cib_xml.write(cib).replace('<group id="gw-agents">', f'<group id="gw-agents">{stop}'))
    assert stopped != cib
    assert reconcile.changes(stopped, WANTED) == ()


def test_a_value_changed_by_hand_is_set_again_and_an_operators_stop_kept() -> None:
    cib = cib_xml.write(reconcile.reconciled(EMPTY_CIB, WANTED))
    stop = '<nvpair id="failover-meta-target-role" name="target-role" value="Stopped"/>'
    text = cib.replace('value="172.16.1.100"', 'value="172.16.1.7"')
    text = text.replace('<meta_attributes id="failover-meta">', f'<meta_attributes id="failover-meta">{stop}')
    (change,) = reconcile.changes(cib_xml.read(text), WANTED)
    assert change.id == "failover"
    again = cib_xml.write(reconcile.reconciled(cib_xml.read(text), WANTED))
    assert 'value="172.16.1.100"' in again
    assert 'name="target-role" value="Stopped"' in again


def test_our_resource_is_found_where_an_operator_has_put_it() -> None:
    cib = reconcile.reconciled(EMPTY_CIB, WANTED)
    vip = next(part for part in cib.walk() if part.id == "failover")
    grouped = Element("group", (("id", "by-hand"),), (vip,))
    assert reconcile.changes(_replaced(cib, vip, grouped), WANTED) == ()


def _replaced(top: Element, old: Element, new: Element) -> Element:
    return Element(
        top.tag, top.attributes, tuple(new if child == old else _replaced(child, old, new) for child in top.children)
    )


def test_order_where_it_says_nothing_makes_no_change() -> None:
    cib = reconcile.reconciled(EMPTY_CIB, WANTED)
    assert reconcile.changes(_turned(cib), WANTED) == ()


def _turned(top: Element) -> Element:
    children = tuple(_turned(child) for child in top.children)
    free = {"instance_attributes", "operations", "resources", "constraints"}
    return Element(top.tag, top.attributes, children[::-1] if top.tag in free else children)


def test_other_cluster_properties_stay() -> None:
    cib = cib_xml.read(
        '<cib><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="m" name="maintenance-mode" value="false"/>'
        '<nvpair id="s" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>'
        "<resources/><constraints/></configuration></cib>"
    )
    after = cib_xml.write(reconcile.reconciled(cib, WANTED))
    assert '<nvpair id="m" name="maintenance-mode" value="false"/>' in after
    assert 'name="stonith-enabled" value="true"' in after
    assert 'name="stonith-enabled" value="false"' not in after
