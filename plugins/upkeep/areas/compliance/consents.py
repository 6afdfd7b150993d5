"""Our own look at the rows of consent (G83), beside what the function reports (G82).

What contradicts itself, who was processed without a consent, how many agreed to an older policy, how far the log of
processing reaches back, and whether the function counts as SQL does. Counts only, but for a few users of the
processing: somebody must look at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from upkeep.areas.compliance import report
from upkeep.areas.logs import NAMED, Log, span, utc
from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.units import listed
from upkeep.ledger.write import LookResult
from upkeep.settings.compliance import ConsentTable, ProcessingLog
from upkeep.wires import database
from upkeep.wires.database import Row
from upkeep.wires.functions.contract import quoted

GUIDE, KEY = "G83", "consents"
#: Types of consent and versions of the policy that one look tells apart.
MOST = 200
#: What a consent must not be: its subject, and what to do.
RULES = {
    "granted_without_time": (
        "Consents in force without the time they were given",
        "Without a time nobody can show that it was given first: ask these users again.",
    ),
    "granted_though_withdrawn": (
        "Consents in force though they were withdrawn",
        "Whoever withdrew has withdrawn: set granted to false, and see which program left it.",
    ),
    "withdrawn_without_time": (
        "Consents taken back without the time of it",
        "See which program takes consents back without writing when.",
    ),
    "withdrawn_before_granted": (
        "Consents withdrawn before they were given",
        "One of the two times is wrong: look at the audit log of these rows.",
    ),
    "still_to_come": (
        "Consents with a time that is still to come",
        "A clock or a time zone is wrong where they are written.",
    ),
}


@dataclass(frozen=True)
class _Table(Log):
    """A table of the section ``compliance``, with the same obstacles as a log."""

    @property
    def config(self) -> ConsentTable | ProcessingLog:
        section = self.look.settings.maintenance.compliance
        return section.consents if self.name == "consents" else section.processing

    @property
    def setting(self) -> str:
        return f"compliance.{self.name}"

    @property
    def wanted(self) -> str:
        return f"the table of {self.name}, with all its rows"


def consents(look: Look) -> LookResult:
    """All five looks; without the table of consents none of them, without the log of processing the first alone."""
    table = _Table(look, "consents", Topic(KEY, "Consents", GUIDE))
    if refused := table.refused():
        return LookResult((refused,))
    total, *rows = table.rows("compliance/consents", {"most": MOST})
    by = {kind: {row["name"]: row for row in rows if row["kind"] == kind} for kind in ("type", "policy")}
    if total["consents"]:
        findings = [*_rules(total), _policy(look, by["policy"], total["in_force"])]
    else:
        remedy = f"See where consents are kept, and name it in config/maintenance.yaml: {table.setting}."
        findings = [table.unknown(f"{table.config.table} has no row: nothing of it can be judged", remedy)]
    ours = {(report.GRANTED, str(name)): float(row["granted"]) for name, row in by["type"].items()}
    ours |= {(report.WITHDRAWN, str(name)): float(row["withdrawn"]) for name, row in by["type"].items()}
    findings += _log(look, table, ours)
    findings += _compared(look, ours)
    return LookResult(tuple(findings), (Sample("consents_in_force", float(total["in_force"]), "consents"),))


def _rules(total: Row) -> Iterator[Finding]:
    broken = [rule for rule in RULES if total[rule]]
    for rule in broken:
        subject, remedy = RULES[rule]
        detail = f"{total[rule]:,} of {total['consents']:,}"
        yield _finding(rule, subject, Level.WARNING, detail, "none", remedy, count=total[rule])
    if total["undecided"]:
        detail = f"{total['undecided']:,} of {total['consents']:,} are neither given nor taken back: the column is null"
        remedy = "Set it for each: until then nobody knows whether they may be processed."
        yield _finding("undecided", "Consents that are not decided", Level.UNKNOWN, detail, "true or false", remedy)
    elif not broken:
        detail = f"{total['consents']:,}, {total['in_force']:,} of them in force; none contradicts itself"
        yield _finding("rules", "Consents", Level.OK, detail, "none without its time, none in force though withdrawn")


def _policy(look: Look, versions: dict[str | None, Row], total: int) -> Finding:
    """The share of the ``total`` in force that were given to another version than the current one."""
    section = look.settings.maintenance.compliance
    held = {name: row for name, row in versions.items() if row["in_force"]}
    dated = {name: utc(row["first_at"]) for name, row in held.items() if name is not None and row["first_at"]}
    current = section.policy_version or max(dated, key=lambda name: dated[name], default=None)
    outdated = total - (held[current]["in_force"] if current in held and current is not None else 0)
    percent = 100 * outdated / total if total else 0.0
    known = "" if section.policy_version else ", the one that was first agreed to most lately"
    return _finding(
        "policy",
        "Consents to an older policy",
        _share(percent, section.outdated_percent, known=current is not None or not total),
        f"{outdated:,} of {total:,} in force ({percent:.1f} %) are not to version {current or 'unknown'}{known}",
        f"at most {section.outdated_percent:g} %",
        "Ask these users again, or name the version in force in config: compliance.policy_version.",
        versions=[{"version": name, "in_force": row["in_force"]} for name, row in held.items()],
    )


def _share(percent: float, limit: float, *, known: bool) -> Level:
    if not known:
        return Level.UNKNOWN
    return Level.ADVISORY if percent > limit else Level.OK


def _oldest(log: _Table) -> Finding:
    """How old the oldest row is; not known of a log without a row, nor where a row has no time."""
    days = log.look.settings.retention.longest(log.config.table)
    row = log.rows("compliance/processing_oldest", {})[0]
    oldest, level = row["oldest"], Level.UNKNOWN
    if oldest is None:
        said = "not collected: the log has no row with a time"
    else:
        age = log.look.now - utc(oldest)
        said = f"from {utc(oldest):%Y-%m-%d} on, {age / timedelta(days=1):.0f} days"
        level = Level.UNKNOWN
        if days is not None:
            level = Level.ADVISORY if age > timedelta(days=days) else Level.OK
        if row["without_time"] and level is Level.OK:
            level, said = Level.UNKNOWN, f"{said}; the age of rows without a time is not known"
    return _finding(
        "oldest",
        "How far the log of processing reaches back",
        level,
        said,
        f"at most {days} days (config/retention.yaml)" if days else "a class of config/retention.yaml that holds it",
        "What is older is due: have those who answer for the data decide. Upkeep itself never deletes it (G68).",
    )


def _log(look: Look, table: _Table, ours: dict[tuple[str, str], float]) -> list[Finding]:
    """The looks at the log of processing; what the function counts too is added to ``ours``."""
    log = _Table(look, "processing", Topic(f"{KEY}:processing", "Processing on a consent that is not given", GUIDE))
    if refused := log.refused():
        return [refused]
    oldest = _oldest(log)  # before the log is read page by page: its first entry is one page by the index
    if hidden := log.hidden():
        return [hidden]
    processed = _processed(log, table)
    ours[report.RECORDS, ""] = float(processed["records"])
    ours[report.WITHOUT_BASIS, ""] = float(processed["without_basis"])
    return [oldest, _processing(log, processed)]


def _processed(log: _Table, table: _Table) -> Row:
    section = log.look.settings.maintenance.compliance
    schema, name = log.config.table
    consents_schema, consents_name = table.config.table
    columns = {f"consents_{column}": spelled for column, spelled in table.columns.items()}
    text = database.statement(
        "compliance/consents_processing",
        schema=schema,
        table=name,
        consents_schema=consents_schema,
        consents=consents_name,
        **log.columns,
        **columns,
    )
    start, end = log.look.period
    bound = {"basis": section.consent_basis, "type": section.consent_type, "shown": NAMED, "start": start, "end": end}
    return log.look.session.row(text, bound)


def _processing(log: _Table, row: Row) -> Finding:
    if not row["records"]:
        return log.unwritten()
    section = log.look.settings.maintenance.compliance
    detail = f"{row['on_consent']:,} of {row['records']:,} records rest on consent"
    if row["without_user"]:
        detail += f"; {row['without_user']:,} of them name no user, and cannot be looked at"
    if row["without_basis"]:
        detail += f"; {row['without_basis']:,} name no legal basis, and nobody knows whether they rest on consent"
    if not row["on_consent"]:
        named = ", ".join(quoted(name, 40) for name in row["first_bases"] or [])
        detail += (
            f" by the word {section.consent_basis!r} (config: compliance.consent_basis), but on: {named or 'none'}"
        )
    detail += f"; {row['uncovered']:,} are of {row['users']:,} users who give none"
    if row["users"]:
        detail += f", {span(row)}"
    wanted = f"a consent of type {section.consent_type}" if section.consent_type else "a consent"
    return _finding(
        "processing",
        log.topic.subject,
        _of_users(row),
        detail,
        f"each of these users gives {wanted} now, or gave it then",
        "Stop that processing for them, or name its true legal basis; see which program does not ask first."
        if row["users"]
        else "Have user and legal basis written; if consent has another name here, set compliance.consent_basis.",
        users=row["first_users"] or [],
    )


def _of_users(row: Row) -> Level:
    """Ok only where there was something to hold against consents, and all of it could be."""
    if row["users"]:
        return Level.WARNING
    return Level.UNKNOWN if row["without_user"] or row["without_basis"] or not row["on_consent"] else Level.OK


def _compared(look: Look, ours: dict[tuple[str, str], float]) -> list[Finding]:
    """One finding on all that both count; none when the function has told nothing in this window."""
    percent = look.settings.maintenance.compliance.disagreement_percent
    names = (report.GRANTED, report.WITHDRAWN, report.RECORDS, report.WITHOUT_BASIS)
    told = {key: value for key, value in look.answered.items() if key[0] in names}
    if not told:
        return []
    known = set(told) & set(ours)
    both = known | _one_sided(set(told), set(ours))
    differ = [
        (name, subject, ours.get((name, subject), 0.0), told.get((name, subject), 0.0))
        for name, subject in sorted(both)
        if _apart(ours.get((name, subject), 0.0), told.get((name, subject), 0.0), percent)
    ]
    said = [
        f"{_words(name, subject)} {sql:,.0f} by SQL, {other:,.0f} by the function"
        for name, subject, sql, other in differ
    ]
    detail = listed(said, NAMED, "; ", rest="; and")
    return [
        _finding(
            "disagreement",
            "Consents: SQL and function",
            Level.WARNING if differ else Level.OK if both else Level.UNKNOWN,
            detail or f"{len(both)} numbers of the period agree",
            f"a difference of at most {percent:g} % (config: compliance.disagreement_percent)",
            "One of them looks at another database, another period or other rows; the function's report is no evidence "
            "until it is known which.",
            differ=[
                {"metric": name, "type": subject, "sql": sql, "function": other} for name, subject, sql, other in differ
            ],
        )
    ]


def _one_sided(told: set[tuple[str, str]], ours: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Types that one of the two does not know, where all types are at hand: there it counts none."""
    by_type = {key for key in told ^ ours if key[0] in (report.GRANTED, report.WITHDRAWN)}
    types = {subject for name, subject in told | ours if name == report.GRANTED}
    return by_type if len(types) <= report.MOST_TYPES else set()


def _apart(one: float, other: float, percent: float) -> bool:
    return abs(one - other) > percent / 100 * max(one, other)


def _words(name: str, subject: str) -> str:
    return " ".join(filter(None, [name.removeprefix("function_").replace("_", " "), subject]))


def _finding(
    what: str, subject: str, level: Level, detail: str, expected: str, remedy: str = "", **metadata: Any
) -> Finding:
    return Topic(f"{KEY}:{what}", subject, GUIDE).judged(level, detail, expected, remedy, metadata)


CHECKS = (Check("compliance/consents", GUIDE, "Consents", consents),)
