"""Pacemaker's configuration (CIB) as XML to elements and back. Source: `cibadmin --query`."""

from lxml import etree

from hotspare.model.cib import COMMENT, Element

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True, remove_pis=True)


def read(text: str) -> Element:
    """The document as an element.

    Raises:
        ValueError: this is no XML.
    """
    try:
        root = etree.fromstring(text.encode(), _PARSER)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not a CIB: {error}") from error
    return _element(root)


def write(element: Element) -> str:
    """The element as XML, indented; the same element is the same text."""
    return etree.tostring(_node(element), encoding="unicode", pretty_print=True)


def _element(node: etree._Element) -> Element:
    if not isinstance(node.tag, str):  # a comment's tag is a function
        return Element(COMMENT, (("text", node.text or ""),))
    attributes = sorted((str(name), str(text)) for name, text in node.attrib.items())
    return Element(node.tag, tuple(attributes), tuple(_element(child) for child in node))


def _node(element: Element) -> etree._Element:
    node = etree.Element(element.tag, dict(element.attributes))
    for child in element.children:
        node.append(etree.Comment(child.get("text")) if child.tag == COMMENT else _node(child))
    return node
