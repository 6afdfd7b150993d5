"""The guide's expected database metrics (G45-G48), from SQL and from the function, and whether the two agree."""

from __future__ import annotations

from collections.abc import Mapping

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Expectation, Finding, Level, Sample, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.base import EXPECTATIONS
from upkeep.settings.load import Settings
from upkeep.wires import database, queries
from upkeep.wires.database import Row

SUBJECTS = {
    "query_response": "Query response time",
    "pool_usage": "Connection pool usage",
    "cache_hit_ratio": "Cache hit ratio",
    "index_usage": "Index usage",
}
_REMEDIES = {
    "query_response": "See the slowest statements (pg_stat_statements by mean_exec_time) and what changed them.",
    "pool_usage": "Find who holds connections, shorten transactions, then size the pool.",
    "cache_hit_ratio": "Find the tables read from disk most (pg_statio_user_tables); shared_buffers should hold them.",
    "index_usage": "Find large tables read sequentially (pg_stat_user_tables by seq_tup_read), then the queries.",
}

#: Sources of one and the same number.
SQL, FUNCTION = "sql", "function"


def database_expectations(look: Look) -> LookResult:
    """Measure by SQL, judge, and hold it against what the function answered earlier in this window."""
    findings: list[Finding] = []
    samples: list[Sample] = []
    row_floor = look.settings.maintenance.checks.index_usage_rows
    counted = look.session.row(queries.load("database/database_expectations"), {"row_floor": row_floor})
    for name in EXPECTATIONS:
        value, reason = _measure(name, look, counted)
        findings.append(judged(name, SQL, value, look.settings, reason))
        if value is None:
            continue
        samples.append(sample(name, SQL, value, look.settings))
        other = look.answered.get((f"expectation:{name}", FUNCTION))
        if other is not None and (finding := disagreement(name, value, other, look.settings)):
            findings.append(finding)
    return LookResult(tuple(findings), tuple(samples))


def _measure(name: str, look: Look, counted: Row) -> tuple[float | None, str]:
    """The value by SQL, or None and the reason why there is none; ``counted`` is what the server counts by itself."""
    checks = look.settings.maintenance.checks
    if name == "pool_usage":
        if checks.pool_usage_sql == "none":
            return None, "a pooler's connections have no SQL view (config: checks.pool_usage_sql)"
        used = sum(row["backends"] for row in look.session.rows(queries.load("database/connections")))
        return 100 * used / look.session.row(look.session.load("database/connection_limit"))["available"], ""
    if name == "query_response":
        extension = look.session.rows(queries.load("performance/statements_extension"))
        if not extension:
            return None, "the extension pg_stat_statements is not in this database"
        if not extension[0]["usable"]:
            return None, f"the role may not use schema {extension[0]['schema']!r}, where pg_stat_statements is"
        statement = database.statement("database/query_response", schema=extension[0]["schema"])
        counted = look.session.row(statement, {})
    value = counted[name]
    return (None, "the server has counted nothing yet") if value is None else (float(value), "")


def sample(name: str, source: str, value: float, settings: Settings) -> Sample:
    """One half of an expected metric as a sample; the subject says which half."""
    return Sample(f"expectation:{name}", value, settings.thresholds.expectations[name].unit, source)


def judged(name: str, source: str, value: float | None, settings: Settings, reason: str = "") -> Finding:
    """One half of an expected metric as a finding; without a value UNKNOWN, with the reason."""
    expectation: Expectation = settings.thresholds.expectations[name]
    origin = "by SQL" if source == SQL else "by the function"
    return Topic(f"expectation:{name}:{source}", f"{SUBJECTS[name]} {origin}", expectation.guide).finding(
        Level.UNKNOWN if value is None else expectation.judge(value),
        f"not collected: {reason}" if value is None else f"{value:.4g} {expectation.unit}",
        expectation.words,
        _REMEDIES[name],
        {} if value is None else {"value": value, "unit": expectation.unit},
    )


def disagreement(name: str, by_sql: float, by_function: float, settings: Settings) -> Finding | None:
    """A finding when the halves would be judged differently, or differ by more than config allows of the guide's limit.

    Of the limit and not of each other: 3 and 6 ms are the same where 100 ms are expected.
    """
    expectation = settings.thresholds.expectations[name]
    percent = settings.maintenance.checks.disagreement_percent
    allowed = percent / 100 * expectation.limit
    if abs(by_sql - by_function) <= allowed and expectation.judge(by_sql) is expectation.judge(by_function):
        return None
    return Topic(
        f"expectation:{name}:disagreement", f"{SUBJECTS[name]}: SQL and function disagree", expectation.guide
    ).finding(
        Level.WARNING,
        f"{by_sql:.4g} {expectation.unit} by SQL, {by_function:.4g} {expectation.unit} by the function",
        f"the same judgement, and a difference of at most {allowed:.4g} {expectation.unit}, "
        f"{percent:g} % of the limit (config: checks.disagreement_percent)",
        "One of them measures something else: another period, another database, or a stale function.",
        {"sql": by_sql, "function": by_function},
    )


def answered(values: Mapping[str, float | str], settings: Settings) -> LookResult:
    """The function's half: a number for each metric found in the answer, a reason for each that was not."""
    findings = tuple(
        judged(name, FUNCTION, None, settings, value)
        if isinstance(value, str)
        else judged(name, FUNCTION, value, settings)
        for name, value in values.items()
    )
    samples = tuple(
        sample(name, FUNCTION, value, settings) for name, value in values.items() if not isinstance(value, str)
    )
    return LookResult(findings, samples)


CHECKS = (
    Check("database/database_expectations", "G45", "Query time, pool, cache and index usage", database_expectations),
)
