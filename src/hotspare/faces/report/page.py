"""A drill's report, or several beside one another, as one HTML page that needs nothing from anywhere else."""

from collections.abc import Sequence
from html import escape

from hotspare.codec.report_json import stamp
from hotspare.faces.report import budget, plot
from hotspare.faces.report.words import figures, headline, lengths, longest_first, medians, phase, seconds, way
from hotspare.model.comparison import Drilled, Row
from hotspare.model.report import Report

STYLE = """
:root { color-scheme: light; --ink: #1f2933; --muted: #616e7c; --line: #e4e7eb;
  --yes: #2f8132; --no: #ba2525; --unsure: #b44d12; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .5rem; }
p { margin: .25rem 0; }
.muted { color: var(--muted); }
.yes { color: var(--yes); } .no { color: var(--no); } .cannot { color: var(--unsure); }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }
.figures div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem; min-width: 8rem; }
.figures b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--muted); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.name { white-space: nowrap; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin-right: .4rem; }
figure { margin: 0; overflow-x: auto; } figure svg { width: 100%; height: auto; min-width: 40rem; }
ul { margin: .25rem 0; padding-left: 1.1rem; }
"""
_NOTE = """<p class="muted">Expected and at most: by the file, where all works. Computed by rules of Corosync, Pacemaker
and the fence agent; measured in hotspare's lab, whose seconds are not another cluster's. ?: nobody can tell.</p>"""
CLASSES = {"yes": "yes", "no": "no", "cannot tell": "cannot"}


def html(report: Report) -> str:
    """The whole page."""
    body = f"""<h1 class="{CLASSES[str(report.verdict)]}">{escape(headline(report))}</h1>
<p>{escape(figures(report))}</p>
<p class="muted">gateway {escape(report.gateway)} · {stamp(report.t0_s)} · {escape(_versions(report))}</p>
{_why(report)}
{_figures(report)}
{_drawing(plot.svg(report), "outage of each floating IP over the phases of the takeover")}
{_phases(report)}
{_budget(report)}
{_inside(report)}
{_audits(report)}
{_routers(report)}
<p class="muted">Probes: one echo request each {report.probe_interval_s * 1000:.0f} ms to every floating IP; an outage
reaches from the last answer before to the first answer after. Clocks of the hosts agree within
{report.clock_error_s:.2f} s.</p>"""
    return _document(headline(report), body)


def beside(drills: Sequence[Drilled], rows: Sequence[Row]) -> str:
    """The whole page of drills beside one another, with a link to each one's own."""
    body = f"""<h1>{escape(medians(drills))}</h1>
{_drawing(plot.beside(drills, rows), "outage of each floating IP, drill beside drill")}
{_drills(drills)}
{_lengths(drills)}
{_rows(drills, rows)}
<p class="muted">An outage reaches from the last answer before to the first answer after.</p>"""
    return _document(medians(drills), body)


def _document(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _drawing(picture: str, label: str) -> str:
    return f'<figure role="img" aria-label="{label}">{picture[picture.index("<svg") :]}</figure>'


def _why(report: Report) -> str:
    """Empty where nothing keeps the verdict from being yes."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report.why)
    return f'<ul class="{CLASSES[str(report.verdict)]}">{reasons}</ul>' if reasons else ""


def _drills(drills: Sequence[Drilled]) -> str:
    rows = []
    for one, colour in zip(drills, plot.BARS, strict=False):
        report = one.report
        rows.append(
            (
                f'<span class="name"><span class="key" style="background:{colour}"></span>{escape(one.name)}</span>',
                escape(str(report.strategy)),
                f'<span class="{CLASSES[str(report.verdict)]}">{escape(headline(report))}</span>{_why(report)}',
                seconds(report.outage.median),
                seconds(report.outage.worst),
                "<br>".join(escape(session.text) for session in report.sessions),
                stamp(report.t0_s),
                f'<a href="{escape(one.page)}">full report</a>' if one.page else "",
            )
        )
    heads = ("drill", "strategy", "what happened", "median", "worst", "TCP through SNAT", "when", "")
    return _table("Drills", heads, rows, frozenset({3, 4, 6, 7}))


def _lengths(drills: Sequence[Drilled]) -> str:
    rows = [(name, *told) for name, told in lengths(drills)]
    heads = ("phase", *(escape(one.name) for one in drills))
    return _table("Phases: where the seconds went", heads, rows, frozenset(range(1, len(heads))))


def _rows(drills: Sequence[Drilled], rows: Sequence[Row]) -> str:
    cells = [
        (escape(row.router), row.address, *("" if one is None else seconds(one.outage_s) for one in row.outages))
        for row in rows
    ]
    heads = ("router", "floating IP", *(escape(one.name) for one in drills))
    return _table("Routers, longest outage first", heads, cells, frozenset(range(2, len(heads))))


def _versions(report: Report) -> str:
    return ", ".join(f"{name} {version}" for name, version in report.versions.items())


def _figures(report: Report) -> str:
    found = report.outage
    cards = (
        ("routers back", f"{report.routers_back} of {report.routers_total}"),
        ("median outage", seconds(found.median)),
        ("p95", seconds(found.p95)),
        ("worst", seconds(found.worst)),
    )
    return '<div class="figures">' + "".join(f"<div>{name}<b>{value}</b></div>" for name, value in cards) + "</div>"


def _table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: frozenset[int]) -> str:
    """A table of cells that are HTML already; the columns of `numbers` are set as such."""

    def cell(tag: str, place: int, text: str) -> str:
        number = ' class="n"' if place in numbers else ""
        return f"<{tag}{number}>{text}</{tag}>"

    head = "".join(cell("th", place, text) for place, text in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(cell("td", place, text) for place, text in enumerate(row)) + "</tr>" for row in rows
    )
    return f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _phases(report: Report) -> str:
    marks = {mark.name: mark for mark in report.phases.marks}
    rows = [
        (
            f'<span class="key" style="background:{colour}"></span>{name}',
            phase(report.phases.lengths[name]),
            f"{marks[name].after_s:.2f} s" if name in marks else "",
            escape(meaning),
            escape(marks[name].source) if name in marks else "",
        )
        for name, colour, meaning in plot.legend(report)
    ]
    return _table("Phases", ("phase", "took", "done after", "what it is", "told by"), rows, frozenset({1, 2}))


def _budget(report: Report) -> str:
    """Empty where nothing was to be expected."""
    if not report.budget:
        return ""
    rows = [
        (
            escape(row.part),
            row.expected,
            row.worst,
            f'<b class="cannot">{row.measured}</b>' if row.is_over else row.measured,
            escape(row.meaning),
            escape(row.source),
        )
        for row in budget.rows(report.budget)
    ]
    heads = ("part", "expected", "at most", "measured", "what it is", "known from")
    return _table("Budget: where each second went", heads, rows, frozenset({1, 2, 3})) + _NOTE


def _inside(report: Report) -> str:
    rows = [(escape(one.inside), "TCP through SNAT", escape(one.text)) for one in report.sessions]
    rows += [(escape(one.inside), "metadata", escape(one.text)) for one in report.metadata]
    return _table("Seen from inside", ("from", "what", "how it went"), rows, frozenset()) if rows else ""


def _audits(report: Report) -> str:
    rows = []
    for audit in report.audits:
        found = "".join(f"<li>{escape(finding)}</li>" for finding in audit.findings)
        rows.append(
            (
                escape(audit.name),
                escape(audit.when),
                f'<b class="{CLASSES[str(audit.answer)]}">{audit.answer}</b>',
                escape(audit.text) + (f"<ul>{found}</ul>" if found else ""),
            )
        )
    return _table("Audits", ("invariant", "when", "holds", "found"), rows, frozenset())


def _routers(report: Report) -> str:
    moved = bool(report.journeys)
    rows = [
        (
            escape(one.router),
            one.address,
            *((way(report, one.router_id),) if moved else ()),
            seconds(one.outage_s),
            f"{one.error_s:.2f} s",
            f"{one.lost} of {one.sent}",
        )
        for one in longest_first(report.outages)
    ]
    heads = ("router", "floating IP", *(("moved",) if moved else ()), "outage", "at most less", "probes lost")
    return _table("Routers, longest outage first", heads, rows, frozenset(range(len(heads) - 3, len(heads))))
