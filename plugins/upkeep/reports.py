"""The report of one window: what ran, what was found worst first, and what could not be collected. Pure.

A report always exists, also when branches failed: a step that did not run becomes an UNKNOWN finding, never a
gap. ``to_json`` is the whole report; ``to_html`` is a page for people that shows hostile text from log tables
harmlessly and leaves the bulk of very large reports to the JSON.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from upkeep.findings import Finding, Level, Sample, worst

TEMPLATES = Path(__file__).parent / "templates"

#: States of a step. Any state but the first two leaves evidence missing and so makes an UNKNOWN finding.
RAN, SUPERSEDED, FAILED, NOT_COLLECTED = "ran", "superseded", "failed", "not collected"

HTML_TEXT = 2_000  # characters of one text on the page
HTML_GROUP = 20  # findings on the page with one level and one key group (the key up to its first colon)
HTML_LEVEL = 200  # findings on the page with one level; also rows of the sample table
JSON_TEXT = 100_000  # bytes of one text in the JSON, as UTF-8


@dataclass(frozen=True)
class StepResult:
    """What became of one step. ``source`` is the SQL file or the function called, ``digest`` that of its answer."""

    step: str
    group: str
    title: str
    state: str
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    findings: tuple[Finding, ...] = ()
    source: str = ""
    digest: str = ""
    log_url: str = ""


@dataclass(frozen=True)
class Report:
    """Everything there is to say about one window; all times are aware.

    ``late`` is empty or a sentence part, ``since`` says for a finding's key since when it has not been ok.
    """

    target: str
    target_title: str
    cadence: str
    kind: str
    due: datetime
    deadline: datetime
    period_start: datetime
    period_end: datetime
    run_id: str
    dag_id: str
    made_at: datetime
    requested_by: str
    dry_run: bool
    late: str
    steps: tuple[StepResult, ...]
    since: Mapping[str, datetime]
    samples: tuple[Sample, ...]
    incident_document: str

    @cached_property
    def placed(self) -> tuple[tuple[Finding, StepResult], ...]:
        """Every finding with the step it came from, worst first, then by key."""
        pairs = [(finding, step) for step in self.steps for finding in self.findings_of(step)]
        return tuple(sorted(pairs, key=lambda pair: (pair[0].level.rank, pair[0].key, pair[0].subject)))

    def findings_of(self, step: StepResult) -> tuple[Finding, ...]:
        """A step's findings, with the one for its absence."""
        planned_gap = self.dry_run and step.state == NOT_COLLECTED
        told = any(finding.level is Level.UNKNOWN for finding in step.findings)
        if step.state in (RAN, SUPERSEDED) or planned_gap or told:
            return step.findings
        return (*step.findings, missing_step(step))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first, then by key."""
        return tuple(finding for finding, _ in self.placed)

    def since_of(self, finding: Finding) -> datetime | None:
        """Since when it has not been ok; None when it is ok, or nobody recorded it."""
        return None if finding.level is Level.OK else self.since.get(finding.key)

    @property
    def level(self) -> Level:
        """The worst level; UNKNOWN when there is no finding at all, for nothing was judged."""
        return worst([finding.level for finding in self.findings])

    @property
    def counts(self) -> dict[Level, int]:
        """Findings by level, every level named, worst first."""
        levels = [finding.level for finding in self.findings]
        return {level: levels.count(level) for level in sorted(Level, key=lambda level: level.rank)}

    @property
    def not_collected(self) -> tuple[StepResult, ...]:
        """Steps without evidence of their own: failed, superseded or not collected."""
        return tuple(step for step in self.steps if step.state != RAN)


def missing_step(step: StepResult) -> Finding:
    """The UNKNOWN finding that stands for a step which did not run to its end."""
    remedy = f"Open the log of task {step.step}, mend the cause, then clear the task or trigger a manual run."
    if step.state == NOT_COLLECTED:
        remedy = "Mend what the reason names; `python -m upkeep check` says what can be collected here."
    return Finding(
        key=f"step:{step.step}",
        level=Level.UNKNOWN,
        subject=step.title or step.step,
        detail=f"{step.state}: {step.reason or 'no reason was recorded'}",
        expected="the step runs to its end",
        remedy=remedy,
    )


def headline(report: Report) -> str:
    """One sentence for the person on call, free of invisible characters."""
    total, ran = len(report.findings), sum(step.state == RAN for step in report.steps)
    bad = ", ".join(f"{n} {level}" for level, n in report.counts.items() if n and level is not Level.OK)
    if not ran:
        sentence = f"nothing was collected: none of {_count(len(report.steps), 'step')} ran"
    elif not total:
        sentence = f"nothing was judged: {_count(ran, 'step')} ran without a finding"
    elif not bad:
        sentence = f"{_count(total, 'finding')}, all ok"
    else:
        sentence = f"{bad} of {_count(total, 'finding')}"
    superseded = sum(step.state == SUPERSEDED for step in report.steps)
    if superseded:
        sentence += f", {_count(superseded, 'step')} superseded"
    if bad:
        first = report.findings[0]
        seen = visible(" ".join(f"{first.subject}: {first.detail}".split()))
        sentence += f" — {seen[:89]}…" if len(seen) > 90 else f" — {seen}"
    return f"Dry run: {sentence}" if report.dry_run else sentence[0].upper() + sentence[1:]


def verdict(report: Report, red_on: Collection[Level]) -> tuple[bool, str]:
    """Whether the verdict is red, and the sentence. When no step ran it is always red, a dry run apart."""
    judged = {finding.level for finding in report.findings} | (set() if report.dry_run else {report.level})
    ran = report.dry_run or any(step.state == RAN for step in report.steps)
    return not ran or not judged.isdisjoint(red_on), headline(report)


def to_json(report: Report) -> dict[str, Any]:
    """The whole report in values that JSON knows. Times are ISO 8601 in UTC; texts are cut at 100 kB.

    ``schema_version`` 1: ``level``, ``headline``, ``counts`` {level: n}, ``target`` {name, title}, ``window``
    {cadence, kind, due, deadline, period_start, period_end, late}, ``run`` {dag_id, run_id, made_at, requested_by,
    dry_run}, ``incident_document``, ``findings`` [{key, level, subject, detail, expected, remedy, guide, metadata,
    since (null: ok, or not recorded), step, source, log_url}], ``steps`` [{step, group, title, state, reason,
    started, ended, source, digest, log_url, findings: n}], ``samples`` [{metric, subject, value, unit}]. Fields may
    be added; a changed or removed one raises the version.
    """
    finding = "key level subject detail expected remedy guide metadata"
    step = "step group title state reason started ended source digest log_url"
    document = {
        "schema_version": 1,
        "level": report.level,
        "headline": headline(report),
        "counts": report.counts,
        "target": {"name": report.target, "title": report.target_title},
        "window": _take(report, "cadence kind due deadline period_start period_end late"),
        "run": _take(report, "dag_id run_id made_at requested_by dry_run"),
        "incident_document": report.incident_document,
        "findings": [
            {**_take(f, finding), "since": report.since_of(f), **_take(s, "step source log_url")}
            for f, s in report.placed
        ],
        "steps": [{**_take(s, step), "findings": len(report.findings_of(s))} for s in report.steps],
        "samples": [_take(sample, "metric subject value unit") for sample in report.samples],
    }
    return dict(_plain(document))


def to_html(report: Report) -> str:
    """One self-contained page without scripts; ``dashboard`` serves it under a sandboxing CSP."""
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704  # our own file
    return _page().render(report=report, headline=headline(report), groups=_groups(report), css=css, rows=HTML_LEVEL)


def visible(text: str) -> str:
    """Text in which control, bidirectional and zero-width characters are spelled out, such as ``⟨U+202E⟩``."""
    return text.replace("\r\n", "\n").translate(_VISIBLE)


class _Visible(dict[int, int | str]):
    """A translation table for ``visible`` that works out a character when it first comes."""

    hidden = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    # Blank to the eye though Unicode calls them letters, marks or symbols.
    blank = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0} | {*range(0xE0100, 0xE01F0)}

    def __missing__(self, code: int) -> int | str:
        seen = chr(code) in "\n\t" or unicodedata.category(chr(code)) not in self.hidden
        self[code] = code if seen and code not in self.blank else f"⟨U+{code:04X}⟩"
        return self[code]


_VISIBLE = _Visible()


class _Group(NamedTuple):
    level: Level
    name: str
    shown: list[tuple[Finding, StepResult]]
    hidden: int


def _groups(report: Report) -> list[_Group]:
    """The findings by level and key group, capped so that a page stays a page."""
    groups: dict[tuple[Level, str], list[tuple[Finding, StepResult]]] = {}
    for finding, step in report.placed:
        groups.setdefault((finding.level, finding.key.partition(":")[0]), []).append((finding, step))
    room, capped = dict.fromkeys(Level, HTML_LEVEL), []
    for (level, name), pairs in groups.items():
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
        "utc": lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "span": _span,
        "number": lambda value: f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:g}",
        "link": lambda url: url if re.match(r"https?://[^/\\\s]", url, re.IGNORECASE) else "",
        "pretty": lambda metadata: json.dumps(_plain(metadata), ensure_ascii=False, indent=1),
    }
    return environment.get_template("report.html")


def _text(value: object) -> Markup:
    whole = str(value)
    shown = escape(visible(whole[:HTML_TEXT]))
    cut = Markup(' <span class="cut">… {:,} characters left out here, see the JSON</span>')
    return shown + cut.format(len(whole) - HTML_TEXT) if len(whole) > HTML_TEXT else shown


def _span(length: timedelta) -> str:
    """A length of time in the largest unit that fits twice: ``3 days``, ``47 hours``, ``1.4 s``, ``40 ms``."""
    seconds = max(length.total_seconds(), 0)
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _take(source: object, names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names.split()}


def _plain(value: Any) -> Any:
    """A value as JSON knows it; what JSON does not know (NaN, Decimal, bytes) becomes its text."""
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {_plain(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    whole = str(value).encode("utf-8", "backslashreplace")  # a lone surrogate must not break the JSON
    left = len(whole) - JSON_TEXT
    return whole[:JSON_TEXT].decode(errors="ignore") + (f" … [{left:,} bytes left out]" if left > 0 else "")
