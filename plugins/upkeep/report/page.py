"""The report as a page for people."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from upkeep.core import units
from upkeep.core.findings import Finding, Level
from upkeep.core.stories import Story
from upkeep.core.text import anchor, runnable, visible
from upkeep.report.again import change
from upkeep.report.again import pairs as looked_twice
from upkeep.report.baselines import baseline_plots as drawn_baselines
from upkeep.report.changes import before, compare
from upkeep.report.checklist import checklist
from upkeep.report.document import plain
from upkeep.report.forecasts import KEY, forecast_plot
from upkeep.report.gate import STATES, ActionResult, Gate
from upkeep.report.headline import do_first, headline
from upkeep.report.model import APPLY_STEP, Report, StepResult
from upkeep.report.plots import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, plot
from upkeep.report.signatures import LOOKS, in_words

TEMPLATES = Path(__file__).parent / "templates"

HTML_TEXT = 2_000  # characters of one text on the page
HTML_STATEMENT = 20_000  # of a statement, which is there to be copied
HTML_GROUP = 20  # findings on the page with one level and one key group (the key up to its first colon)
HTML_LEVEL = 200  # findings on the page with one level; also rows of the sample table
HTML_CHANGES = 8  # rows of each kind of change, and of what is not known
HTML_BRIEF = 300  # characters of a text in those rows
#: The finding that holds them.
BACK_TESTS = "scaling:backtest"

HTML_FOLD = 10  # actions with one state and one reason that stay unfolded; also tables before and after


_TITLES = {"daily": "Six metrics", "weekly": "Week against week", "monthly": "Month against month"}


def to_html(report: Report) -> str:
    """One self-contained page without scripts; ``dashboard`` serves it under a sandboxing CSP."""
    changes = compare(report)
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704  # our own file
    return template().render(
        report=report,
        headline=headline(report),
        do_first=do_first(report),
        first_at=_first_at(report),
        stories=_stories(report),
        groups=_groups(report),
        new=_new(report, changes.new),
        changes=changes,
        was={key: earlier.level for key, earlier in before(report).items()},
        checklist=checklist(report),
        plots=[plot(history) for history in report.history],
        forecast=next((forecast_plot(one.metadata) for one in report.findings if one.key == KEY), None),
        metrics_title=_TITLES.get(report.cadence, "Metrics"),
        unit_of_time="months" if report.cadence == "monthly" else "windows",
        ordinary=drawn_baselines(report.findings),
        back_tests=next((one.metadata.get("tests", ()) for one in report.findings if one.key == BACK_TESTS), ()),
        size={"width": WIDTH, "height": HEIGHT, "bottom": BOTTOM, "left": LEFT, "right": RIGHT},
        looks_like=LOOKS,
        in_words=in_words,
        fates=_fates(report.gate) if report.gate else [],
        states=STATES,
        looks=looked_twice(report),
        change=change,
        fold=HTML_FOLD,
        css=css,
        rows=HTML_LEVEL,
        few=HTML_CHANGES,
    )


def _first_at(report: Report) -> str:
    """Where on the page the worst stands, which may be folded; what apply says of an action is told with the plan."""
    for finding, step in report.placed[:1]:
        if finding.level is not Level.OK:
            return "gate" if report.gate and step.step == APPLY_STEP else anchor(report.stories[0].key)
    return "" if report.findings or report.superseded or report.dry_run else "steps"


class _Story(NamedTuple):
    """Findings with one cause and their steps; ``hidden`` are in the JSON only."""

    story: Story
    shown: list[tuple[Finding, StepResult]]
    hidden: int


def _stories(report: Report) -> list[_Story]:
    """What has a cause in common, the new ones of it first."""
    steps = {id(finding): step for finding, step in report.placed}
    found = []
    for story in report.stories:
        if story.grouped:
            pairs = [(finding, steps[id(finding)]) for finding in story.findings]
            pairs.sort(key=lambda pair: not report.is_new(*pair))
            found.append(_Story(story, pairs[:HTML_GROUP], len(pairs[HTML_GROUP:])))
    return found


def _new(report: Report, new: Collection[Finding]) -> list[tuple[Level, str]]:
    """A line for each cause with something new in it."""
    marked = {id(finding) for finding in new}
    lines = []
    for story in report.stories:
        if fresh := sum(id(finding) in marked for finding in story.findings):
            some = f" ({fresh} of {len(story.findings)} new)" if story.grouped else ""
            lines.append((story.level, f"{story.cause}{some}"))
    return lines


class _Group(NamedTuple):
    level: Level
    name: str
    shown: list[tuple[Finding, StepResult]]
    hidden: int


def _groups(report: Report) -> list[_Group]:
    """The findings by level and key group, capped so that a page stays a page; the new ones stay on it.

    What apply says of single actions is left to the plan's section, where it has one, and what has a cause in common
    with others to its story.
    """
    elsewhere = {id(finding) for story in report.stories if story.grouped for finding in story.findings}
    groups: dict[tuple[Level, str], list[tuple[Finding, StepResult]]] = {}
    for finding, step in report.placed:
        if (report.gate and step.step == APPLY_STEP and "action" in finding.metadata) or id(finding) in elsewhere:
            continue
        groups.setdefault((finding.level, finding.key.partition(":")[0]), []).append((finding, step))
    room, capped = dict.fromkeys(Level, HTML_LEVEL), []
    for (level, name), pairs in groups.items():
        pairs.sort(key=lambda pair: not report.is_new(*pair))
        shown = pairs[: min(HTML_GROUP, room[level])]
        room[level] -= len(shown)
        capped.append(_Group(level, name, shown, len(pairs) - len(shown)))
    return capped


class _Fate(NamedTuple):
    """Actions that share what became of them; ``reason`` is empty where each tells its own, beside what it took."""

    state: str
    reason: str
    actions: list[ActionResult]


def _fates(gate: Gate) -> list[_Fate]:
    """The actions by state, what needs a reader most first; those that were never tried also by their reason."""
    fates: dict[tuple[str, str], list[ActionResult]] = {}
    for became in gate.actions:
        fates.setdefault((became.state, "" if became.attempts else became.reason), []).append(became)
    order = list(STATES)
    return [_Fate(*key, fates[key]) for key in sorted(fates, key=lambda key: order.index(key[0]))]


@cache
def template() -> Template:
    """The page's template; a process that forks others compiles it once for all of them."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "anchor": anchor,
        "text": _text,
        "times": lambda ratio: units.number(round(ratio, 2 if ratio < 1 else 1)),
        "sql": lambda value: _text(visible(str(value))),
        "statement": lambda value: _text(runnable(str(value)), HTML_STATEMENT),
        "size": lambda octets: "not measured" if octets is None else units.size(octets),
        "ms": lambda length: "not measured" if length is None else units.span(timedelta(milliseconds=length)),
        "brief": lambda value: units.brief(str(value), HTML_BRIEF),
        "utc": units.utc,
        "span": units.span,
        "count": units.count,
        "number": units.number,
        "amount": lambda value, unit: units.size(value) if unit == "bytes" else f"{units.number(value)} {unit}",
        "link": lambda url: url if re.match(r"https?://[^/\\\s]", url, re.IGNORECASE) else "",
        "pretty": lambda metadata: json.dumps(plain(metadata), ensure_ascii=False, indent=1),
    }
    return environment.get_template("report.html")


def _text(value: object, most: int = HTML_TEXT) -> Markup:
    whole = str(value)
    shown = escape(units.visible(whole[:most]))
    cut = Markup(' <span class="cut">… {:,} characters left out here, see the JSON</span>')
    return shown + cut.format(len(whole) - most) if len(whole) > most else shown
