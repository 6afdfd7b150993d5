"""Judging the documents: their age, their owner, their links, and what of the guide had no result (G28, G138)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from upkeep.areas.documents import review as documents_review
from upkeep.areas.documents.links import DeadLink
from upkeep.areas.documents.reading import DocumentReading, look_at_all
from upkeep.areas.documents.review import Review
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session
from upkeep.wires.functions.contract import quoted

_OK = (Level.OK, "")
#: How far back an item of the guide is known by having been reported.
REACH = timedelta(days=400)
#: Findings of one kind that a look shows of one document.
SHOWN = 50


def judge(readings: Iterable[DocumentReading], review_days: int, today: date) -> LookResult:
    """Findings and samples of all documents; without any, that none is named."""
    findings: list[Finding] = []
    samples: list[Sample] = []
    for one in readings:
        if one.refused:
            findings.append(_refused(one))
            continue
        review = documents_review.review(one.said, one.document.reviewed, review_days)
        findings += [_age(one, review, today), *_owner(one), *_links(one)]
        if review.last is not None:
            samples.append(Sample("document_age", float((today - review.last).days), "days", one.document.path))
    return LookResult(tuple(findings) or (_none_named(),), tuple(samples))


def _none_named() -> Finding:
    return Topic("document:guide", "Maintenance guide", "G138").finding(
        Level.UNKNOWN,
        "not collected: no document is named (config/maintenance.yaml: documents.guide, documents.runbooks)",
        "the guide that this maintenance follows, and its runbooks",
        "Name them; until then nothing is known of their age and their links.",
    )


def _finding(
    one: DocumentReading, part: str, level: Level, detail: str, expected: str, remedy: str, guide: str
) -> Finding:
    return Topic(f"document:{one.document.path}{part}", f"Document {one.document.path}", guide).finding(
        level, detail, expected, remedy, {"digest": one.digest} if one.digest else {}
    )


def _refused(one: DocumentReading) -> Finding:
    remedy = "Correct its path in config/maintenance.yaml: documents, or the document; nothing is known of it."
    return _finding(one, "", Level.UNKNOWN, f"not collected: {one.refused}", "a Markdown text", remedy, "G138")


def _age(one: DocumentReading, review: Review, today: date) -> Finding:
    expected = "a date of the last update, and a review when it is due"
    if review.last is None or review.due is None:
        remedy = "Add a line 'Last Updated: 2026-11-25' to it, or `reviewed` to its entry in config."
        return _finding(one, "", Level.WARNING, "it does not say when it was last updated", expected, remedy, "G138")
    age = (today - review.last).days
    rhythm = quoted(one.said.next_review, 60) if one.said.next_review else "not told"
    said = f"last updated {review.last}, {age} days ago; next review: {rhythm}, due {review.due}"
    if age < 0:
        remedy = "Correct the date: until it has come, nobody sees when a review is due."
        return _finding(one, "", Level.WARNING, f"{said}; that day is still to come", expected, remedy, "G138")
    if today > review.due:
        overdue = (today - review.due).days
        remedy = "Read it through with its owner, correct it, and write the day into it."
        return _finding(one, "", Level.WARNING, f"{said}, {overdue} days overdue", expected, remedy, "G138")
    if not review.understood:
        remedy = "Name a day or a rhythm such as Monthly; documents.review_days is used instead."
        return _finding(one, "", Level.ADVISORY, f"{said}; these words name no rhythm", expected, remedy, "G138")
    return _finding(one, "", Level.OK, said, expected, "", "G138")


def _owner(one: DocumentReading) -> Iterator[Finding]:
    if not (one.said.owner or one.document.owner):
        remedy = "Add a line 'Owner: …' to it, or `owner` to its entry in config."
        yield _finding(one, ":owner", Level.ADVISORY, "nobody is named as its owner", "an owner", remedy, "G138")


def _links(one: DocumentReading) -> Iterator[Finding]:
    """Each link that leads nowhere, with its line; then how many there are in all."""
    places: dict[str, list[DeadLink]] = {}
    for dead in one.links.dead:
        places.setdefault(dead.shown, []).append(dead)
    for shown, same in list(places.items())[:SHOWN]:
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        said = f"line {same[0].line}{more}: {shown}: {same[0].why}"
        remedy = "Correct the link, or take it out."
        yield _finding(one, f":link:{shown}", Level.ADVISORY, said, "every link leads somewhere", remedy, "G28")
    if len(places) > SHOWN:
        said = f"{len(places) - SHOWN} more; the first {SHOWN} are shown"
        yield _finding(one, ":links:more", Level.ADVISORY, said, "every link leads somewhere", "As those.", "G28")
    said = f"{one.links.all} links, {len(one.links.dead)} to be fixed"
    if one.untried:
        said += f"; {one.untried} of them to the web, not tried (config: documents.check_links)"
    if one.late:
        said += f"; {one.late} of them to the web, not tried: time was too short, or they are too many"
    level, remedy = (Level.UNKNOWN, "Try them by hand; a server that is slow holds up the others.") if one.late else _OK
    yield _finding(one, ":links", level, said, "every link leads somewhere", remedy, "G28")


def guide_results(session: Session, target: str, period: tuple[datetime, datetime]) -> list[Row]:
    """Rows of ``guide``, ``last`` and ``inside``: each item with a result before the period's end, not too long ago.

    ``last`` is when its last window was due, ``inside`` whether one of the period had a result.
    """
    start, end = period
    parameters = {"target": target, "since": end - REACH, "start": start, "end": end}
    return session.rows(queries.load("ledger/guide_results"), parameters)


def guide_items(rows: Sequence[Row], period: tuple[datetime, datetime]) -> LookResult:
    """Items of the guide that windows reported before and none of the period did; unknown without any result."""
    start, end = period
    missing = [row for row in rows if not row["inside"]]
    between = f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    samples = (
        Sample("guide_items_with_result", float(len(rows) - len(missing)), "items"),
        Sample("guide_items_without_result", float(len(missing)), "items"),
    )
    level = Level.OK if len(rows) > len(missing) else Level.UNKNOWN
    said = f"{len(rows) - len(missing)} had a result {between}; {len(missing)} that were reported before had none"
    expected = "a result of each item that windows reported before"
    counted = Topic("guide_items", "Items of the guide", "G138").finding(
        level,
        said,
        expected,
        "" if level is Level.OK else "No window has reported anything in this time: see whether they ran.",
    )
    return LookResult((*(_item(row, between, expected) for row in missing), counted), samples)


def _item(row: Row, between: str, expected: str) -> Finding:
    return Topic(f"guide_item:{row['guide']}", f"Item {row['guide']} of the guide", "G138").finding(
        Level.ADVISORY,
        f"no result {between}; the last one is from the window due {row['last']:%Y-%m-%d %H:%M} UTC",
        expected,
        "See why its step did not run, or whether there was nothing to report: some items only speak up when "
        "something was found or done.",
    )


def inspect(sources: Sources) -> LookResult:
    """The documents that config names, and what of the guide had a result, as the ledger says."""
    config, window = sources.config.maintenance, sources.window
    with sources.ledger() as session:
        rows = guide_results(session, window.target, window.period)
    readings = look_at_all(config.documents, config.http, sources.seconds)
    read = judge(readings, config.documents.review_days, datetime.now(UTC).date())
    items = guide_items(rows, window.period)
    return LookResult(read.findings + items.findings, read.samples + items.samples)


def _described(config: Settings, _: str) -> str:
    named = ", ".join(document.path for document in config.maintenance.documents.reviewed)
    return f"{named or 'no document: none is named'}; and which items of the guide had no result"


_SOURCE = "the documents in config, and include/sql/ledger/guide_results.sql"

INSPECTIONS = (Inspection("documents", _SOURCE, _described, inspect),)
