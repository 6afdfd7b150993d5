"""The report as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from upkeep.core.findings import Level, Sighting
from upkeep.gate.sheets import Signature
from upkeep.report.again import Pair, pairs
from upkeep.report.changes import before, compare
from upkeep.report.checklist import checklist
from upkeep.report.gate import ActionResult, Gate
from upkeep.report.headline import do_first, headline
from upkeep.report.model import EarlierFinding, History, Report
from upkeep.report.signatures import WindowSignatures

JSON_TEXT = 100_000  # bytes of one text in the JSON, as UTF-8


def to_json(report: Report) -> dict[str, Any]:
    """The whole report in values that JSON knows. Times are ISO 8601 in UTC; texts are cut at 100 kB.

    ``schema_version`` 1: ``interim`` (roles that are asked; null: the final report), ``level``, ``headline``,
    ``do_first`` (empty: nothing is amiss), ``counts`` {level: n},
    ``target`` {name, title}, ``window`` {cadence, kind, due, deadline, period_start, period_end, late}, ``run``
    {dag_id, run_id, made_at, requested_by, dry_run}, ``incident_document``, ``thresholds`` (their version and where it
    comes from), ``findings`` [{key, level, subject, detail, expected, remedy, guide, metadata, since (the first look of
    an unbroken row; null: ok, or not recorded), begun_after (the last look without it, if
    it came before since, or null), first_seen (ever, before a break too),
    new, was (its other level before, or null), step, source, log_url}],
    ``steps`` [{step, group, title, state, reason, started, ended, source, digest, log_url,
    findings: n}], ``stories`` (what is not ok, by cause) [{key, cause, level, remedy, findings [key]}], ``samples``
    [{metric, subject, value, unit}], ``previous`` (due of the window before, or null),
    ``gone`` [{step, due, key, level, subject, detail, now (level, null: no longer there)}], ``not_looked_at`` [the same
    without now], ``history`` [{metric, title, guide, unit, ok, warning, critical, windows: [{due, kind, value (null: no
    sample)}]}] (ok, warning and critical are null where nothing judges it), ``checklist`` [{guide, title, state,
    evidence, findings: n, acknowledged (who reviewed it in a form or attested its task; null: nobody, as in each daily
    report, whose rows are acknowledged later)}], ``gate`` (see there; null: the run has no plan),
    ``looks`` [{name, state (still there, new, not looked at again, gone), before, after, measured (what the plan did to
    it: "dead rows 67.7 % → 0 %")}] of what was looked at before the plan and after it. Subject and detail of what is
    gone are cut at 300 characters. Fields may be added; a changed or removed one raises the version.
    """
    step = "step group title state reason started ended source digest log_url"
    changes = compare(report)
    document = {
        "schema_version": 1,
        "interim": list(report.interim) or None,
        "level": report.level,
        "headline": headline(report),
        "do_first": do_first(report),
        "counts": report.counts,
        "target": {"name": report.target, "title": report.target_title},
        "window": _take(report, "cadence kind due deadline period_start period_end late"),
        "run": _take(report, "dag_id run_id made_at requested_by dry_run"),
        "incident_document": report.incident_document,
        "thresholds": report.thresholds,
        "findings": _findings(report),
        "steps": [{**_take(s, step), "findings": len(report.findings_of(s))} for s in report.steps],
        "stories": [
            {**_take(story, "key cause level remedy"), "findings": [finding.key for finding in story.findings]}
            for story in report.stories
        ],
        "samples": [_take(sample, "metric subject value unit") for sample in report.samples],
        "previous": report.previous,
        "gone": [{**_earlier(was), "now": now and now.level} for was, now in changes.gone],
        "not_looked_at": [_earlier(was) for was in changes.not_looked_at],
        "history": [_history(history) for history in report.history],
        "checklist": [
            {**_take(row, "guide title state evidence findings"), "acknowledged": list(row.reviewed) or None}
            for row in checklist(report)
        ],
        "gate": report.gate and _gate(report.gate),
        "signing": report.signing and _signing(report.signing),
        "exceptions": [_take(one, "key reason by expires state findings") for one in report.exceptions],
        "looks": [_look(pair) for pair in pairs(report)],
    }
    return dict(plain(document))


def _signing(signing: WindowSignatures) -> dict[str, Any]:
    """``sign_on`` [{role, title, state, person, at, comment}], ``tasks`` [{name, guide, title, owner, worst, says,
    evidence, state, person, at, comment}], ``sign_off`` (like a sign-on, with what it says and its evidence, or null)
    and the ``digest`` of all but the sign-off.
    """
    return {
        "digest": signing.digest,
        "sign_on": [_signature(one) for one in signing.sign_on],
        "tasks": [
            {
                **_take(task, "name guide title owner worst says evidence state"),
                **(_take(task.signature, "person at comment") if task.signature else {}),
            }
            for task in signing.tasks
        ],
        "sign_off": signing.sign_off
        and {**_signature(signing.sign_off), **_take(signing.sign_off.item, "says evidence")},
    }


def _signature(one: Signature) -> dict[str, Any]:
    return {**_take(one.item, "role title"), **_take(one, "state person at comment")}


def _look(pair: Pair) -> dict[str, Any]:
    before, after = pair.before and pair.before.detail, pair.after and pair.after.detail
    return {**_take(pair, "name state measured"), "before": before, "after": after}


def _gate(gate: Gate) -> dict[str, Any]:
    """``plan`` {digest, when, planned_at, requested_by, not_before, not_after, outside, database, left_out}, ``counts``
    {state: n}, ``answers`` [{role, title, state, person, at, comment, note, approved: n, asked: n}], ``actions`` [{id,
    kind, verb, statement, undo, schema, table, lock, because, needs, predicted_ms, answers [{role, person, state}],
    state (done, not done, refused, unknown, not applied yet), reason, duration_ms, ratio, lock_wait_ms,
    wal_bytes_of_server, seen (when planned), before, after {dead_rows, live_rows, changed_rows, total_bytes},
    freed_bytes (of a drop), attempts: n}].
    """
    plan = "requested_by not_before not_after outside database left_out"
    return {
        "plan": {**_take(gate, "digest when planned_at"), **_take(gate.plan, plan)},
        "counts": gate.counts,
        "answers": [
            {
                **_take(answer, "role title state person at comment note"),
                "approved": len(answer.approved),
                "asked": len(answer.asked),
            }
            for answer in gate.answers
        ],
        "actions": [_action(became) for became in gate.actions],
    }


#: What a catalogue row says of a table that a reader compares.
_COMPARED = ("dead_rows", "live_rows", "changed_rows", "total_bytes")


def _action(became: ActionResult) -> dict[str, Any]:
    receipt = became.receipt
    return {
        **_take(became.action, "id kind verb statement undo schema table lock because needs predicted_ms"),
        **_take(became, "state reason ratio seen"),
        "answers": [{**_take(answer, "role person"), "state": answer.of(became.action)} for answer in became.answers],
        "duration_ms": receipt and receipt.duration_ms,
        "lock_wait_ms": receipt and receipt.lock_wait_ms,
        "wal_bytes_of_server": receipt and receipt.wal_bytes,
        "before": {name: receipt.before.get(name) for name in _COMPARED} if receipt and receipt.before else None,
        "after": {name: receipt.after.get(name) for name in _COMPARED} if receipt and receipt.after else None,
        "freed_bytes": became.freed_bytes,
        "attempts": len(became.attempts),
    }


def _findings(report: Report) -> list[dict[str, Any]]:
    names = "key level subject detail expected remedy guide metadata"
    was = {key: earlier.level for key, earlier in before(report).items()}
    return [
        {
            **_take(finding, names),
            **_seen(report.sighting(finding)),
            "new": report.is_new(finding, step),
            "was": _other(was.get(finding.key), finding.level),
            **_take(step, "step source log_url"),
        }
        for finding, step in report.placed
    ]


def _seen(seen: Sighting | None) -> dict[str, Any]:
    if seen is None:
        return {"since": None, "begun_after": None, "first_seen": None}
    return {"since": seen.since, "begun_after": seen.after, "first_seen": seen.before or seen.since}


def _other(was: Level | None, now: Level) -> Level | None:
    return None if was is now else was


def _earlier(was: EarlierFinding) -> dict[str, Any]:
    return _take(was, "step due key level subject detail")


def _history(history: History) -> dict[str, Any]:
    bands = history.bands
    return {
        **_take(history, "metric title guide unit"),
        **{name: bands and str(getattr(bands, name)) for name in ("ok", "warning", "critical")},
        "windows": [_take(point, "due kind value") for point in history.points],
    }


def _take(source: object, names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names.split()}


def plain(value: Any) -> Any:
    """A value as JSON knows it; what JSON does not know (NaN, Decimal, bytes) becomes its text."""
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {plain(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    whole = str(value).encode("utf-8", "backslashreplace")  # a lone surrogate must not break the JSON
    left = len(whole) - JSON_TEXT
    return whole[:JSON_TEXT].decode(errors="ignore") + (f" … [{left:,} bytes left out]" if left > 0 else "")
