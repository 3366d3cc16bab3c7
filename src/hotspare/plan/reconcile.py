"""From the configuration that is there to the one that is wanted: ours is made equal, everything else stays as it is.

What is ours is named by a tag in the configuration itself, so that nothing outside of it has to be remembered.
"""

from collections.abc import Callable, Iterator

from hotspare.model.cib import COMMENT, OURS, Change, Element, Section, Wanted, element

OPERATORS = frozenset({"target-role", "is-managed", "maintenance"})
"""Meta attributes that an operator sets for the moment (`crm resource stop`); they are never taken away."""

PROPERTY_SET = "cib-bootstrap-options"
"""The set of cluster properties that every tool writes to, and that goes before all others."""

_UNORDERED = frozenset({"instance_attributes", "meta_attributes", "operations", "utilization", "primitive"})
_MEMBERS = frozenset({"primitive", "group"})


def changes(cib: Element | None, wanted: Wanted) -> tuple[Change, ...]:
    """What differs, in the order: taken away, then made and changed as wanted, then properties.

    First taken away: a resource that becomes a clone, or no longer is one, is in two elements of the same document.
    """
    cib = cib or Element("cib")
    gone = tuple(Change(old.id, old, None) for old in _gone(cib, wanted))
    return (*gone, *_changes(_without(cib, gone), wanted))


def taken_out(cib: Element, wanted: Wanted) -> tuple[Element, ...]:
    """Resources of ours that are no longer wanted in any form; fence devices are not among them."""
    kept = {part.id for _, new in wanted.elements for part in new.walk() if part.tag == "primitive"}
    found = []
    for old in _gone(cib, wanted):
        primitives = [part for part in old.walk() if part.tag == "primitive"]
        if primitives and not any(part.id in kept or part.get("class") == "stonith" for part in primitives):
            found.append(old)
    return tuple(found)


def ours(cib: Element) -> Iterator[tuple[Section, Element]]:
    """Every element of ours that is there, by id."""
    for id_ in sorted(_ours(cib)):
        for section in Section:
            if (old := _find(_section(cib, section), id_)) is not None:
                yield section, old


def is_stopped(resource: Element) -> bool:
    """Whether the cluster was told to run it nowhere."""
    sets = (part for part in resource.children if part.tag == "meta_attributes")
    return any(
        (pair.get("name"), pair.get("value")) == ("target-role", "Stopped") for one in sets for pair in one.children
    )


def _gone(cib: Element, wanted: Wanted) -> Iterator[Element]:
    """Elements that are ours by the tag and not wanted under their id."""
    wanted_ids = {new.id for _, new in wanted.elements}
    return (old for _, old in ours(cib) if old.id not in wanted_ids)


def _without(cib: Element, gone: tuple[Change, ...]) -> Element:
    for change in gone:
        for section in Section:
            cib = _in_section(cib, section, change)
    return cib


def _changes(cib: Element, wanted: Wanted) -> Iterator[Change]:
    for section, new in wanted.elements:
        old = _find(_section(cib, section), new.id)
        merged = new if old is None else _keeping_operators(old, new)
        if old is None or canonical(old) != canonical(merged):
            yield Change(new.id, old, merged)
    present = {pair.get("name"): pair for pair in _property_set(cib).children if pair.tag == "nvpair"}
    for name, value in wanted.properties:
        pair = present.get(name)
        if pair is None or pair.get("value") != value:
            yield Change(name, pair, _property(name, value))
    tag = _tag(wanted)
    old_tag = _find(_configuration(cib).child("tags"), OURS)
    if {child.id for child in (old_tag.children if old_tag else ())} != {child.id for child in tag.children}:
        yield Change(OURS, old_tag, tag)


def reconciled(cib: Element, wanted: Wanted) -> Element:
    """The configuration with every change in it; without changes it is the same."""
    todo = changes(cib, wanted)
    if not todo:
        return cib
    sections = {new.id: section for section, new in wanted.elements}
    properties = {name for name, _ in wanted.properties}
    for change in todo:
        if change.id == OURS:
            cib = _in_tags(cib, change)
        elif change.id in properties and change.after is not None and change.after.tag == "nvpair":
            cib = _in_properties(cib, change)
        else:
            for section in (sections[change.id],) if change.id in sections else tuple(Section):
                cib = _in_section(cib, section, change)
    return cib


def canonical(found: Element) -> Element:
    """The same for all elements that mean the same: order where it says nothing, and comments, are gone."""
    children = [canonical(child) for child in found.children if child.tag != COMMENT]
    if found.tag in _UNORDERED:
        children.sort(key=lambda child: (child.tag, child.id))
    else:  # the order of members is the order in which they start
        children.sort(key=lambda child: (child.tag in _MEMBERS, "" if child.tag in _MEMBERS else child.tag))
    return Element(found.tag, found.attributes, tuple(children))


def _keeping_operators(old: Element, new: Element) -> Element:
    """The new element with what an operator has set on the old one for the moment."""
    before = {child.id: child for child in old.children}
    children = [_keeping_operators(before[c.id], c) if c.id in before and c.id else c for c in new.children]
    if new.tag == "meta_attributes":
        names = {pair.get("name") for pair in new.children}
        children += [p for p in old.children if p.get("name") in OPERATORS and p.get("name") not in names]
    else:
        ids = {child.id for child in new.children}
        for child in old.children:
            if child.tag == "meta_attributes" and child.id not in ids:
                kept = tuple(pair for pair in child.children if pair.get("name") in OPERATORS)
                children += [Element(child.tag, child.attributes, kept)] if kept else []
    return Element(new.tag, new.attributes, tuple(children))


def _configuration(cib: Element) -> Element:
    return cib.child("configuration") or Element("configuration")


def _section(cib: Element, section: Section) -> Element:
    return _configuration(cib).child(section.value) or Element(section.value)


def _find(top: Element | None, id_: str) -> Element | None:
    """The element of this id below `top`, at any depth: an operator may have put it into a group."""
    if top is None:
        return None
    return next((found for child in top.children for found in child.walk() if found.id == id_), None)


def _ours(cib: Element) -> set[str]:
    tag = _find(_configuration(cib).child("tags"), OURS)
    return {child.id for child in tag.children} if tag else set()


def _tag(wanted: Wanted) -> Element:
    ids = sorted(new.id for _, new in wanted.elements)
    return element("tag", *(element("obj_ref", attributes={"id": id_}) for id_ in ids), attributes={"id": OURS})


def _property_set(cib: Element) -> Element:
    options = _configuration(cib).child("crm_config") or Element("crm_config")
    found = next((child for child in options.children if child.id == PROPERTY_SET), None)
    return found or element("cluster_property_set", attributes={"id": PROPERTY_SET})


def _property(name: str, value: str) -> Element:
    return element("nvpair", attributes={"id": f"{PROPERTY_SET}-{name}", "name": name, "value": value})


def _in_section(cib: Element, section: Section, change: Change) -> Element:
    return _below(cib, ("configuration", section.value), lambda top: _put(top, change))


def _in_tags(cib: Element, change: Change) -> Element:
    return _below(cib, ("configuration", "tags"), lambda top: _put(top, change))


def _in_properties(cib: Element, change: Change) -> Element:
    def put(options: Element) -> Element:
        old = next((child for child in options.children if child.id == PROPERTY_SET), None)
        if old is None:
            fresh = element("cluster_property_set", attributes={"id": PROPERTY_SET})
            return Element(options.tag, options.attributes, (_put(fresh, change), *options.children))
        children = tuple(_put(child, change) if child is old else child for child in options.children)
        return Element(options.tag, options.attributes, children)

    return _below(cib, ("configuration", "crm_config"), put)


def _below(top: Element, path: tuple[str, ...], change: Callable[[Element], Element]) -> Element:
    """`top` with the element at `path` changed; it is made where it is not there."""
    if not path:
        return change(top)
    found = top.child(path[0])
    if found is None:
        children = (*top.children, _below(Element(path[0]), path[1:], change))
    else:
        children = tuple(_below(child, path[1:], change) if child is found else child for child in top.children)
    return Element(top.tag, top.attributes, children)


def _put(top: Element, change: Change) -> Element:
    """`top` with the changed element in its place, added at its end, or gone."""
    if change.before is None:
        return Element(top.tag, top.attributes, (*top.children, *([change.after] if change.after else [])))
    children: list[Element] = []
    for child in top.children:
        if child == change.before:
            children += [change.after] if change.after else []
        else:
            children.append(_put(child, change))
    return Element(top.tag, top.attributes, tuple(children))
