"""The monthly access review (G81): who came in, who was given more, what the service role did at night, who is in now.

Evidence for a person who attests it: what is usual is one ok with its numbers, what a person should have known of is an
advisory. Each log is read by its time index only (see ``logs``); permissions are compared as G77 compares them, with a
snapshot of this step's own, from review to review.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from psycopg import errors

from upkeep.areas.database.sizes import hidden_sessions
from upkeep.areas.logs import Log, address, named, span, within
from upkeep.areas.look import Check, Look
from upkeep.areas.security.events import unrecognised
from upkeep.areas.security.logins import MOST_ADDRESSES
from upkeep.areas.security.permissions import PermissionChange, diff, facts
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.write import LookResult
from upkeep.wires import queries
from upkeep.wires.database import Row

GUIDE, KEY = "G81", "access_review"
#: Accounts, roles and changes that a finding holds.
SHOWN = 50
#: Fewer logins in a period, now and before, are too few to speak of a change.
FEW_LOGINS = 100
_DAY = timedelta(days=1)


def access_review(look: Look) -> LookResult:
    """All five parts; one that cannot be looked at is UNKNOWN, and the others are not."""
    findings: list[Finding] = []
    samples: list[Sample] = []
    snapshot: dict[str, Any] = {}
    for part in (_permissions, _sessions, _security_log, _service_role):  # the logs last: they end by index only
        looked = _in_time(look, part)
        findings += looked.findings
        samples += looked.samples
        snapshot |= looked.snapshot or {}
    return LookResult(tuple(findings), tuple(samples), snapshot=snapshot)


def _in_time(look: Look, part: Callable[[Look], LookResult]) -> LookResult:
    """One part of the look; a log that takes longer than a statement may is no reason to lose the other parts."""
    try:
        with look.session.connection.transaction():
            return part(look)
    except (errors.QueryCanceled, errors.LockNotAvailable):
        name = part.__name__.removeprefix("_")
        finding = Topic(f"{KEY}:{name}", f"Access review: {name.replace('_', ' ')}", GUIDE).finding(
            Level.UNKNOWN,
            "not collected: it took longer than a statement may, or a lock was not free in time",
            "an answer in time",
            "Raise config: sql.statement_timeout_seconds, or see what locks or fills that log.",
        )
        return LookResult((finding,))


# Permissions since the last review ----------------------------------------------------------------------------------


def _permissions(look: Look) -> LookResult:
    now = facts(look)
    due, before = look.previous or (look.now, {})
    if "permissions" not in before:
        said = f"nothing to compare with yet: {sum(map(len, now.values()))} facts noted, and no earlier review"
        return LookResult(
            (_changes(Level.ADVISORY, said, "the facts of an earlier review"),), snapshot={"permissions": now}
        )
    changes = diff(before["permissions"], now)
    since = f"the review of the window due {due:%Y-%m-%d %H:%M} UTC"
    if not changes:
        finding = _changes(Level.OK, f"the same as in {since}", "no change that nobody knows of")
    else:
        alarming = sum(change.alarming for change in changes)
        level = Level.WARNING if alarming else Level.ADVISORY
        said = f"{_counted(changes)} since {since}; {alarming} of them open what was shut: "
        said += named([f"{one.kind} {one.name}" for one in changes], len(changes))
        finding = _changes(level, said, "no change that nobody knows of", changes)
    return LookResult(
        (finding,), (Sample("permission_changes", float(len(changes)), "changes"),), snapshot={"permissions": now}
    )


def _counted(changes: list[PermissionChange]) -> str:
    kinds = Counter(change.kind for change in changes)
    return f"{len(changes)} changes ({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))})"


def _changes(level: Level, detail: str, expected: str, changes: list[PermissionChange] | None = None) -> Finding:
    rows = [{"kind": one.kind, "name": one.name, "old": one.old, "new": one.new} for one in (changes or [])[:SHOWN]]
    remedy = "Hold each against a ticket; the weekly window has told them one by one (G77)."
    return _finding("permissions", "Permissions since the last review", level, detail, expected, remedy, changes=rows)


# Sessions of the database now ---------------------------------------------------------------------------------------


def _sessions(look: Look) -> LookResult:
    subject = "Sessions of the database now"
    if hidden := hidden_sessions(look, Topic(f"{KEY}:sessions", subject, GUIDE)):
        return hidden
    rows = look.session.rows(queries.load("security/database_logins"), {"shown": SHOWN})
    told = [row for row in rows if row["told"]]
    first = rows[0]
    detail = f"{first['all_sessions']} over the network, of {first['active']} of {first['roles']} roles that may log in"
    if told:
        detail += f"; {named([_role(row) for row in told], first['all_told'])}"
    finding = _finding(
        "sessions",
        subject,
        Level.ADVISORY if told else Level.OK,
        detail,
        "no session of a superuser, of a role that passes row security or makes roles, or with an expired password",
        "Ask who it is; programs come with a role of their own that may do what they need and no more.",
        roles=[{**row, "since": row["since"].isoformat()} for row in told],
    )
    return LookResult((finding,))


def _role(row: Row) -> str:
    words = ", ".join(filter(None, [row["powers"], "password expired" if row["expired"] else ""]))
    others = f" and {row['addresses'] - 1} more addresses" if row["addresses"] > 1 else ""
    return f"{row['role']} ({words}) with {row['sessions']} from {row['address']}{others}"


# Logins and role changes in the security log ------------------------------------------------------------------------


def _security_log(look: Look) -> LookResult:
    log = Log(look, "security", Topic(f"{KEY}:logins", "Logins by class of account", GUIDE))
    if hidden := log.hidden():
        return LookResult((hidden,))
    classes = look.settings.maintenance.security.account_classes
    names = {"names": list(classes), "patterns": list(classes.values()), "shown": SHOWN}
    events = look.settings.maintenance.security.events
    kinds = ("login_success", "login_failure", "role_change")
    rows = log.rows("security/access_review", names | {kind: list(getattr(events, kind)) for kind in kinds})
    (total,) = [row for row in rows if row["kind"] == "all"]
    if not total["written"]:
        return LookResult((log.unwritten(),))
    if not total["logins"] and (blind := unrecognised(log, "login_success")):
        return LookResult((blind,))
    by_class = {row["name"]: row for row in rows if row["kind"] == "class"}
    changed = [row for row in rows if row["kind"] == "account"]
    days = (look.period[1] - look.period[0]) / _DAY
    now = {
        "of": [str(log.config.table), dict(classes)],
        "logins": {name: row["logins"] / days for name, row in by_class.items()},
    }
    roles = replace(log, topic=Topic(f"{KEY}:role_changes", "Accounts whose role was changed", GUIDE))
    blind = None if total["role_changes"] else unrecognised(roles, "role_change")
    findings = [*_logins(log, by_class, now, days), blind or _role_changes(total, changed)]
    samples = [Sample("review_logins", float(row["logins"]), "logins", name) for name, row in by_class.items()]
    samples.append(Sample("review_role_changes", float(total["role_changes"]), "events"))
    return LookResult(tuple(findings), tuple(samples), snapshot={"logins": now})


def _logins(log: Log, classes: dict[str, Row], now: dict[str, Any], days: float) -> Iterator[Finding]:
    """An ok with the numbers, and an advisory for each class with many more or fewer logins a day than before."""
    said = "; ".join(
        f"{name}: {row['logins']} logins of {row['accounts']} accounts, {row['failures']} failures"
        for name, row in classes.items()
    )
    due, before = log.look.previous or (log.look.now, {})
    percent = log.look.settings.maintenance.security.access_change_percent
    expected = f"logins a day within {percent:g} % of those of the review before"
    old = before.get("logins", {})
    if old.get("of") != now["of"]:
        said += "; nothing to compare with yet"
        yield log.topic.finding(Level.ADVISORY, said, expected, "From the next review on it is compared.")
        return
    yield log.topic.finding(Level.OK, said, expected)
    for name in sorted(old["logins"].keys() | now["logins"].keys()):
        was, is_ = old["logins"].get(name, 0.0), now["logins"].get(name, 0.0)
        if abs(is_ - was) > percent / 100 * was and max(was, is_) * days >= FEW_LOGINS:
            yield _finding(
                f"logins:{name}",
                f"Logins of {name}",
                Level.ADVISORY,
                f"{is_:.4g} a day, before {was:.4g} (the review of the window due {due:%Y-%m-%d})",
                expected,
                "A release or a new client may explain it; if nothing does, look at the log by account.",
                before=was,
                now=is_,
            )


def _role_changes(total: Row, changed: list[Row]) -> Finding:
    detail = f"{total['role_changes']} in the period, of {total['changed']} accounts"
    if changed:
        each = [f"{row['name'] or 'no account'} {row['role_changes']}" for row in changed]
        detail += f", {span(total)}: {named(each, total['changed'])}"
    return _finding(
        "role_changes",
        "Accounts whose role was changed",
        Level.ADVISORY if changed else Level.OK,
        detail,
        "none that nobody asked for",
        "Hold each against who asked for it; an account with a new role and a new address is looked at first.",
        accounts=[
            {"account": row["name"], "role_changes": row["role_changes"], "logins": row["logins"], "seen": span(row)}
            for row in changed
        ],
    )


# The service role at odd hours --------------------------------------------------------------------------------------


def _service_role(look: Look) -> LookResult:
    log = Log(look, "application", Topic(f"{KEY}:service_role", "Service-role key at odd hours", GUIDE))
    if hidden := log.hidden():
        return LookResult((hidden,))
    limits = look.settings.maintenance.security
    starts, ends = [hours.start for hours in limits.odd_hours], [hours.end for hours in limits.odd_hours]
    # Only the odd hours are read, of a month: at other hours the daily window looks at every request (G72).
    parameters = {"starts": starts, "ends": ends, "any_hour": False, "most": MOST_ADDRESSES}
    rows = log.rows("security/service_role_hours", parameters)
    if not rows[0]["written"]:
        return LookResult((log.unwritten(),))
    used = [row for row in rows if row["requests"] is not None]
    strangers = [row for row in used if not within(row["address"], limits.service_role_addresses)]
    requests = sum(row["requests"] for row in used)
    detail = f"{requests} requests from {rows[0]['addresses']} addresses"
    if limits.service_role_addresses:
        detail += f", {len(strangers)} of them not among security.service_role_addresses"
    if strangers:
        each = [f"{address(row['address'])} {row['requests']} ({span(row)})" for row in strangers]
        detail += f": {named(each, len(each))}"
    finding = _finding(
        "service_role",
        log.topic.subject,
        Level.ADVISORY if strangers else Level.OK,
        detail,
        f"none from elsewhere than your servers at {', '.join(map(str, limits.odd_hours)) or 'any odd hour'} UTC",
        "Find who uses it there; if it is your own server, name it in config: security.service_role_addresses.",
        addresses=[
            {"address": address(row["address"]), "requests": row["requests"], "seen": span(row)}
            for row in strangers[:SHOWN]
        ],
    )
    return LookResult((finding,), (Sample("review_service_role", float(requests), "requests"),))


def _finding(
    what: str, subject: str, level: Level, detail: str, expected: str, remedy: str = "", **metadata: Any
) -> Finding:
    return Topic(f"{KEY}:{what}", subject, GUIDE).judged(level, detail, expected, remedy, metadata)


CHECKS = (Check("security/access_review", GUIDE, "Access review", access_review),)
