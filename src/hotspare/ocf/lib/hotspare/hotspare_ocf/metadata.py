"""Metadata as OCF 1.1 wants it, made from the declaration; never looks at the system."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from hotspare_ocf.declaration import Action, Agent, Parameter

VERSION = "1.0"


def _parameter(parameter: Parameter) -> str:
    flags = f'unique="{int(parameter.unique)}" required="{int(parameter.required)}"'
    default = f" default={quoteattr(parameter.default)}" if parameter.default else ""
    return (
        f"<parameter name={quoteattr(parameter.name)} {flags}>\n"
        f'<longdesc lang="en">\n{escape(parameter.long)}\n</longdesc>\n'
        f'<shortdesc lang="en">{escape(parameter.short)}</shortdesc>\n'
        f'<content type="string"{default}/>\n'
        "</parameter>\n"
    )


def _action(action: Action) -> str:
    timing = f'timeout="{action.timeout_s}s"'
    if action.interval_s:
        timing += f' interval="{action.interval_s}s" depth="0"'
    if action.role:
        timing += f' role="{action.role}"'
    return f'<action name="{action.name}" {timing}/>\n'


def render(agent: Agent) -> str:
    """The whole XML document, ending in a line break."""
    return (
        '<?xml version="1.0"?>\n'
        '<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">\n'
        f'<resource-agent name={quoteattr(agent.name)} version="{VERSION}">\n'
        "<version>1.1</version>\n"
        f'<longdesc lang="en">\n{escape(agent.long)}\n</longdesc>\n'
        f'<shortdesc lang="en">{escape(agent.short)}</shortdesc>\n'
        f"<parameters>\n{''.join(map(_parameter, agent.parameters))}</parameters>\n"
        f"<actions>\n{''.join(map(_action, agent.actions))}"
        '<action name="meta-data" timeout="5s"/>\n</actions>\n'
        "</resource-agent>\n"
    )
