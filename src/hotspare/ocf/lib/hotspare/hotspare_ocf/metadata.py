"""Metadata as OCF 1.1 wants it, made from the declaration; never looks at the system.

It is valid for those who read it by OCF 1.0, too (ocf-tester, with resource-agents' ra-api-1.dtd): what 1.1 added is
declared in the document itself. There is no `reload` action of 1.0 on purpose: a Pacemaker that knows only that one
would call it instead of a restart for every parameter that is not unique.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from hotspare_ocf.declaration import Action, Agent, Parameter

VERSION = "1.0"

_DOCTYPE = """<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd" [
<!ATTLIST parameter unique-group CDATA #IMPLIED reloadable (1|0) "0">
<!ATTLIST action name NMTOKEN #REQUIRED>
]>
"""

_TYPES = {"boolean": "boolean", "integer": "integer"}
"""What is not among these is a string to the cluster's shells."""


def _parameter(parameter: Parameter) -> str:
    flags = f'unique="{int(parameter.unique)}" required="{int(parameter.required)}"'
    flags += f' reloadable="{int(parameter.reloadable)}"'
    if parameter.unique:
        flags += f" unique-group={quoteattr(parameter.name)}"
    is_told = parameter.default and "${" not in parameter.default  # what depends on the resource stands in the longdesc
    default = f" default={quoteattr(parameter.default)}" if is_told else ""
    return (
        f"<parameter name={quoteattr(parameter.name)} {flags}>\n"
        f'<longdesc lang="en">\n{escape(parameter.long)}\n</longdesc>\n'
        f'<shortdesc lang="en">{escape(parameter.short)}</shortdesc>\n'
        f'<content type="{_TYPES.get(parameter.kind, "string")}"{default}/>\n'
        "</parameter>\n"
    )


def _action(action: Action) -> str:
    timing = f'timeout="{action.timeout_s}s"'
    if action.interval_s:
        timing += f' interval="{action.interval_s}s" depth="{action.depth}"'
    if action.role:
        timing += f' role="{action.role}"'
    return f'<action name="{action.name}" {timing}/>\n'


def render(agent: Agent) -> str:
    """The whole XML document, ending in a line break."""
    return (
        '<?xml version="1.0"?>\n'
        f"{_DOCTYPE}"
        f'<resource-agent name={quoteattr(agent.name)} version="{VERSION}">\n'
        "<version>1.1</version>\n"
        f'<longdesc lang="en">\n{escape(agent.long)}\n</longdesc>\n'
        f'<shortdesc lang="en">{escape(agent.short)}</shortdesc>\n'
        f"<parameters>\n{''.join(map(_parameter, agent.parameters))}</parameters>\n"
        f"<actions>\n{''.join(map(_action, agent.actions))}"
        '<action name="meta-data" timeout="5s"/>\n</actions>\n'
        "</resource-agent>\n"
    )
