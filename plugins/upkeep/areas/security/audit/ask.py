"""The security audit (G78, G79): each rule is one statement of ``include/sql/security/audit``; its rows are findings.

Everything is read from catalogues; no row is good, and what this role may not read is UNKNOWN. Nothing is mended here.
``docs/audit.md`` has a section for each rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from upkeep.areas.look import Check, Look
from upkeep.areas.security.audit.rule import Rule
from upkeep.areas.security.audit.rules import RULES
from upkeep.core.findings import Finding, Level, Sample, Topic, worst
from upkeep.ledger.write import LookResult
from upkeep.settings.audit import Audit
from upkeep.wires.database import Row, Session

#: Findings of one rule, the worst first; one more counts the rest.
SHOWN = 50
#: Characters of what was seen that a finding shows; a line of pg_hba.conf may name hundreds of roles.
MAX_DETAIL = 500


def audit(look: Look) -> LookResult:
    """Ask every rule that config does not leave out; the samples count what each found, also beyond what is shown."""
    config = look.settings.maintenance.audit
    parameters = config.model_dump(mode="json", exclude={"leave_out"})
    findings: list[Finding] = []
    samples: list[Sample] = []
    for rule in RULES:
        if rule.name in config.leave_out:
            continue
        try:
            rows = _rows(look.session, rule, parameters)
        except psycopg.Error as error:
            if look.session.connection.closed:
                raise
            findings.append(_not_readable(rule, error))
            continue
        findings += judged(rule, rows, config)
        samples.append(Sample("audit", float(len(rows)), "findings", rule.name))
    if config.leave_out:
        findings.append(_left_out(config))
    return LookResult(tuple(findings), tuple(samples))


def _rows(session: Session, rule: Rule, parameters: Mapping[str, Any]) -> list[Row]:
    """A rule's rows. It is asked in a savepoint: one that the server refuses must not end the others."""
    with session.connection.transaction():
        return session.rows(session.load(f"security/audit/{rule.name}"), parameters)


def judged(rule: Rule, rows: list[Row], config: Audit) -> list[Finding]:
    """A finding for each of the worst rows and one that counts the rest; the good one when there is no row. Pure."""
    if not rows:
        return [_good(rule, config)]
    ordered = sorted(rows, key=lambda row: (_level(rule, row).rank, row["name"]))
    found = [_found(rule, row) for row in ordered[:SHOWN]]
    if hidden := ordered[SHOWN:]:
        found.append(_more(rule, hidden))
    return found


def _level(rule: Rule, row: Row) -> Level:
    return Level(row["level"]) if row.get("level") else rule.level


def _found(rule: Rule, row: Row) -> Finding:
    detail = row["detail"]
    return rule.topic.part(row["name"], f"{rule.subject} {row['name']}").finding(
        _level(rule, row),
        detail if len(detail) <= MAX_DETAIL else f"{detail[:MAX_DETAIL]}…",
        rule.expected,
        rule.remedy,
        {"rule": rule.name, "name": row["name"]},
    )


def _more(rule: Rule, hidden: list[Row]) -> Finding:
    return rule.topic.finding(
        worst([_level(rule, row) for row in hidden]),
        f"{len(hidden):,} more; the {SHOWN} worst are shown",
        rule.expected,
        f"{rule.source} lists all of them.",
        {"rule": rule.name, "more": len(hidden)},
    )


def _good(rule: Rule, config: Audit) -> Finding:
    looked = rule.looked.format(
        schemas=", ".join(config.exposed_schemas), roles=", ".join(config.api_roles) or "no role (config names none)"
    )
    return rule.topic.finding(Level.OK, f"nothing found; looked at {looked}", rule.expected, "", {"rule": rule.name})


def _not_readable(rule: Rule, error: psycopg.Error) -> Finding:
    said = error.diag.message_primary or type(error).__name__
    return rule.topic.finding(
        Level.UNKNOWN,
        f"not readable: {said}",
        rule.expected,
        f"Let a superuser run {rule.source} and read its rows; docs/audit.md says what a grant would take.",
        {"rule": rule.name, "not_readable": True},
    )


def _left_out(config: Audit) -> Finding:
    return Topic("audit:left_out", "Rules that were not asked", "G78").finding(
        Level.ADVISORY,
        ", ".join(sorted(config.leave_out)),
        "every rule asked",
        "Better acknowledge single findings: a rule that is left out does not see the next case either. "
        "config/maintenance.yaml: audit.leave_out.",
    )


CHECKS = (Check("security/audit", "G78", "Security audit", audit),)
