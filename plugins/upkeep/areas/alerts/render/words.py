"""What a message says in words: one line for a glance at night, then what one needs to act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upkeep.areas.alerts.notes import Kind
from upkeep.core.units import brief, count, span, utc
from upkeep.settings.values import is_web

Note = Mapping[str, Any]
#: Characters of a subject or a headline.
MOST_HEADLINE = 140


@dataclass(frozen=True)
class Line:
    """A label and what stands behind it; ``url`` where that leads somewhere."""

    label: str
    text: str
    url: str = ""


def headline(body: Mapping[str, Any]) -> str:
    """The one line of a message."""
    notes: Sequence[Note] = body["notes"]
    if body["total"] == 1:
        return brief(_headline(notes[0]), MOST_HEADLINE)
    worst = str(body["level"])
    said = ", ".join(f"{number:,} {words}" for words, number in body["counts"].items())
    return brief(f"{worst.upper()} · {count(body['total'], 'change')}: {said}", MOST_HEADLINE)


def _headline(note: Note) -> str:
    level, was, of = note["level"].upper(), note["was"], f"{note['title']}: {note['cause']}"
    match Kind(note["kind"]):
        case Kind.NEW:
            return f"{level} · {of}"
        case Kind.WORSE:
            return f"{level} (was {was}) · {of}"
        case Kind.BETTER if note["level"] == "unknown":
            return f"NO LONGER KNOWN (was {was}) · {of}"
        case Kind.BETTER:
            return f"No longer {was}, {note['level']} now · {of}"
        case Kind.STILL:
            return f"STILL {level} for {_lasted(note)} · {of}"
        case Kind.OVER:
            return f"Over after {_lasted(note)} · {of}"
        case Kind.SUMMARY:
            return f"{note['cadence'].capitalize()} window of {note['title']}: {note['cause']}"


def _lasted(note: Note) -> str:
    end = note.get("ended") or note["at"]
    return span(datetime.fromisoformat(end) - datetime.fromisoformat(note["since"]))


def lines(note: Note) -> list[Line]:
    """Everything a person needs to act on one note, what to do and where to look before what else there is to know."""
    if note["kind"] == Kind.SUMMARY:
        due = utc(datetime.fromisoformat(note["due"]))
        return [Line("Due", due), Line("Level", note["level"]), *_links(note)]
    over = note["kind"] == Kind.OVER
    since = datetime.fromisoformat(note["since"])
    said = [
        Line("What", note["detail"]),
        Line("Level", f"over, was {note['was']}" if over else note["level"]),
        Line("Since", f"{utc(since)}, {_lasted(note)}{' in all' if over else ' ago'}"),
    ]
    if not over:
        said.append(Line("What to do", note["remedy"]))
    said += _links(note)
    if note.get("procedures"):
        said.append(Line("Incident procedures", note["procedures"]))
    said.append(Line("Owner", note["owner"]))
    if note["findings"] > 1:
        said.append(Line("Findings", f"{note['findings']:,} with this one cause"))
    if not over and note["target"]:
        known = f"python -m upkeep acknowledge {note['alert']} --target {note['target']}"
        said.append(Line("To silence it", f"{known} --until-it-clears --by … --why …"))
    return [line for line in said if line.text]


def link(body: Mapping[str, Any]) -> str:
    """The one short address that leads to what a message is about; empty where there is none."""
    if body["total"] > 1:
        return str(body.get("page") or "")
    note = body["notes"][0]
    return str(note.get("page") or note.get("report") or "").partition("#")[0]


def _links(note: Note) -> list[Line]:
    found = [Line("Report", note.get("report", ""), note.get("report", ""))]
    if not note.get("report"):
        found = [Line("Alert", note.get("page", ""), note.get("page", ""))]
    found.append(Line("Runbook", note.get("runbook", ""), note.get("runbook", "")))
    return [line for line in found if line.text]


def left(body: Mapping[str, Any]) -> str:
    """How many notes are not spelled out; empty when all are."""
    number = body["total"] - len(body["notes"])
    return f"and {number:,} more" if number > 0 else ""


def more(body: Mapping[str, Any]) -> str:
    """What is not spelled out and where it is; empty when all is."""
    where = f" {body['page']}" if body.get("page") else ""
    return f"{left(body)}; all that is open:{where} or python -m upkeep alerts" if left(body) else ""


def plain(body: Mapping[str, Any]) -> str:
    """The message as text."""
    if body["total"] == 1:
        return "\n".join(f"{line.label}: {line.text}" for line in lines(body["notes"][0]))
    parts = [f"- {_headline(note)}" + (f"\n  {_address(note)}" if _address(note) else "") for note in body["notes"]]
    procedures = f"Incident procedures: {body['procedures']}" if body.get("procedures") else ""
    return "\n".join([*parts, *filter(None, (more(body), procedures))])


def one_liners(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(headline, address) of each note of a digest, and of the incident procedures."""
    said = [(brief(_headline(note), MOST_HEADLINE), _address(note)) for note in body["notes"]]
    procedures = str(body.get("procedures") or "")
    if is_web(procedures):
        return [*said, ("Incident procedures", procedures)]
    return [*said, (f"Incident procedures: {procedures}", "")] if procedures else said


def _address(note: Note) -> str:
    return str(note.get("report") or note.get("page") or "")
