"""The report as a page for people."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from upkeep.findings import Finding, Level
from upkeep.reports import text
from upkeep.reports.changes import before, compare
from upkeep.reports.checklist import checklist
from upkeep.reports.document import plain
from upkeep.reports.headline import do_first, headline
from upkeep.reports.model import Report, StepResult
from upkeep.reports.plots import HEIGHT, LEFT, RIGHT, WIDTH, plot

TEMPLATES = Path(__file__).parents[1] / "templates"

HTML_TEXT = 2_000  # characters of one text on the page
HTML_GROUP = 20  # findings on the page with one level and one key group (the key up to its first colon)
HTML_LEVEL = 200  # findings on the page with one level; also rows of the sample table
HTML_CHANGES = 8  # rows of each kind of change, and of what is not known
HTML_BRIEF = 300  # characters of a text in those rows


def to_html(report: Report) -> str:
    """One self-contained page without scripts; ``dashboard`` serves it under a sandboxing CSP."""
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704  # our own file
    return _page().render(
        report=report,
        headline=headline(report),
        do_first=do_first(report),
        groups=_groups(report),
        changes=compare(report),
        was={key: earlier.level for key, earlier in before(report).items()},
        checklist=checklist(report),
        plots=[plot(history) for history in report.history],
        size={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT},
        css=css,
        rows=HTML_LEVEL,
        few=HTML_CHANGES,
    )


class _Group(NamedTuple):
    level: Level
    name: str
    shown: list[tuple[Finding, StepResult]]
    hidden: int


def _groups(report: Report) -> list[_Group]:
    """The findings by level and key group, capped so that a page stays a page; the new ones stay on it."""
    groups: dict[tuple[Level, str], list[tuple[Finding, StepResult]]] = {}
    for finding, step in report.placed:
        groups.setdefault((finding.level, finding.key.partition(":")[0]), []).append((finding, step))
    room, capped = dict.fromkeys(Level, HTML_LEVEL), []
    for (level, name), pairs in groups.items():
        pairs.sort(key=lambda pair: not report.is_new(*pair))
        shown = pairs[: min(HTML_GROUP, room[level])]
        room[level] -= len(shown)
        capped.append(_Group(level, name, shown, len(pairs) - len(shown)))
    return capped


@cache
def _page() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "text": _text,
        "brief": lambda value: text.brief(str(value), HTML_BRIEF),
        "utc": text.utc,
        "span": text.span,
        "number": text.number,
        "link": lambda url: url if re.match(r"https?://[^/\\\s]", url, re.IGNORECASE) else "",
        "pretty": lambda metadata: json.dumps(plain(metadata), ensure_ascii=False, indent=1),
    }
    return environment.get_template("report.html")


def _text(value: object) -> Markup:
    whole = str(value)
    shown = escape(text.visible(whole[:HTML_TEXT]))
    cut = Markup(' <span class="cut">… {:,} characters left out here, see the JSON</span>')
    return shown + cut.format(len(whole) - HTML_TEXT) if len(whole) > HTML_TEXT else shown
