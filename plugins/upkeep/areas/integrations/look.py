"""Judging what was seen of the integrations: reached, certificates, ends that were announced, use (G29)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from upkeep.areas.integrations.functions import functions
from upkeep.areas.integrations.headers import HeaderNotice, notices
from upkeep.areas.integrations.listing import ConfiguredConnection, connections, endpoints, of_fields
from upkeep.areas.integrations.probes import Timeouts, look_at_all
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.read import earlier_samples
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ConfigError
from upkeep.settings.integrations import Integrations
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Session
from upkeep.wires.functions.contract import quoted
from upkeep.wires.net.address import Integration, ProbeKind, ProbeResult

#: How far back the ledger is asked for a use.
REACH = timedelta(days=400)
#: The samples that a look leaves: the next one knows by them when each was last reached.
REACHED, DAYS_LEFT = "integration_reached", "certificate_days_left"
#: An end that is announced for later than this is no warning yet.
SOON = timedelta(days=180)


def judge(
    looked_at: Iterable[tuple[Integration, ProbeResult]],
    last_reached: Mapping[str, datetime],
    last_use: Mapping[str, datetime],
    limits: Integrations,
    now: datetime,
) -> LookResult:
    """Findings and samples of one look at all of them.

    ``last_reached`` is what earlier looks have reached, by name; ``last_use`` what steps have used, by kind of use.
    """
    findings: list[Finding] = []
    samples: list[Sample] = []
    for one, seen in looked_at:
        findings += _reached(one, seen, last_reached.get(one.name))
        findings += _certificate(one, seen, limits, now)
        findings += (_notice(one, notice, now) for notice in notices(seen.headers))
        findings += _use(one, last_use)
        if seen.reached and not seen.distrust:
            samples.append(Sample(REACHED, 1.0, "", one.name))
        if seen.ends is not None:
            samples.append(Sample(DAYS_LEFT, _days(seen.ends - now), "days", one.name))
    return LookResult(tuple(findings), tuple(samples))


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _finding(one: Integration, part: str, level: Level, detail: str, expected: str, remedy: str = "") -> Finding:
    return Topic(f"integration:{one.name}{part}", one.title, "G29").finding(level, detail, expected, remedy)


def _reached(one: Integration, seen: ProbeResult, before: datetime | None) -> Iterator[Finding]:
    expected = "reached within config's patience"
    if not seen.reached:
        last = f"last reached {_said(before)}" if before else "not reached by an earlier look"
        level = Level.WARNING if seen.looked else Level.UNKNOWN
        remedy = "Check its address, the network between, and whether it still exists; remove it from config if not."
        yield _finding(one, "", level, f"{seen.said}; {last}", expected, remedy)
        return
    if seen.distrust and not seen.said:
        return  # nothing was asked of it: that finding is its certificate's
    status = seen.status
    if one.expect_status:
        expected, wrong = f"one of the statuses {list(one.expect_status)}", status not in one.expect_status
    else:
        expected, wrong = "reached; a status below 500", status is not None and status >= 500
    if wrong:
        yield _finding(one, "", Level.WARNING, seen.said, expected, "Ask whoever runs it, or correct expect_status.")
    elif seen.location and status not in one.expect_status:
        said = f"{seen.said}, a redirect to {seen.location}, which is not followed"
        remedy = "Set the address that answers itself, or name the status in expect_status."
        yield _finding(one, "", Level.ADVISORY, said, expected, remedy)
    else:
        yield _finding(one, "", Level.OK, seen.said, expected)


def _certificate(one: Integration, seen: ProbeResult, limits: Integrations, now: datetime) -> Iterator[Finding]:
    part, expected = ":certificate", f"trusted, {limits.certificate_warning_days:g} days left or more"
    if seen.distrust:
        yield _distrusted(one, seen, expected)
    elif seen.ends is not None:
        left = _days(seen.ends - now)
        level = Level.OK
        if left < limits.certificate_warning_days:
            level = Level.CRITICAL if left < limits.certificate_critical_days else Level.WARNING
        said = f"its certificate ends {_said(seen.ends)}, in {left:.1f} days"
        remedy = "" if level is Level.OK else "Renew it, or ask whoever runs it when it will be."
        yield _finding(one, part, level, said, expected, remedy)
    elif seen.unseen:
        remedy = "Look at it by hand (openssl s_client -starttls postgres); nobody knows when it ends."
        yield _finding(one, part, Level.UNKNOWN, f"its certificate was not seen: {seen.unseen}", expected, remedy)
    elif seen.encrypted is False and one.address is not None and not one.address.local:
        remedy = "Use https, or TLS for PostgreSQL (sslmode in the Connection's extra)."
        yield _finding(one, part, Level.ADVISORY, "no TLS: whoever is between can read and change it", "TLS", remedy)


def _distrusted(one: Integration, seen: ProbeResult, expected: str) -> Finding:
    said = f"its certificate {seen.distrust}"
    if seen.said:  # a driver that does not verify has logged in all the same
        level = Level.WARNING if seen.expired else Level.ADVISORY
        said += "; the login does not verify it, so nobody would notice another server"
        remedy = "Set sslrootcert to its authority and sslmode to verify-full in the Connection's extra."
    else:
        level = Level.CRITICAL if seen.expired else Level.WARNING
        said += "; nothing was sent"
        remedy = "Renew it." if seen.expired else "Have it replaced, or name its authority's file in ca."
    return _finding(one, ":certificate", level, said, expected, remedy)


def _notice(one: Integration, notice: HeaderNotice, now: datetime) -> Finding:
    """One header: an end that has come or is near is a warning, all else is advice."""
    level, when = Level.ADVISORY, "at a time that its header does not tell"
    if notice.at is not None:
        when = f"{'since' if notice.at <= now else 'from'} {_said(notice.at)}"
    if notice.kind == "sunset":
        soon = notice.at is not None and notice.at <= now + SOON
        level, said = (Level.WARNING if soon else level), f"it is to be gone {when}"
    elif notice.kind == "deprecation":
        said = f"it is deprecated {when}"
    else:
        said = "it warns"
    detail = f"{said} ({notice.kind.title()}: {quoted(notice.said, 120)})"
    remedy = "Read its announcement and plan the change before that day."
    return _finding(one, f":{notice.kind}", level, detail, "no end announced", remedy)


def _use(one: Integration, last_use: Mapping[str, datetime]) -> Iterator[Finding]:
    """When a step last used it with success; nothing where the ledger does not record that kind of use."""
    if not one.used:
        return
    if last := last_use.get(one.used):
        yield _finding(one, ":use", Level.OK, f"last used with success {_said(last)}", "in use")
    else:
        said = f"no step has used it with success in the last {REACH.days} days"
        remedy = "If nothing needs it, take it out of config and revoke its key; else see why its steps fail."
        yield _finding(one, ":use", Level.ADVISORY, said, "in use", remedy)


def last_use(session: Session, target: str, since: datetime) -> dict[str, datetime]:
    """Kind of use → when a step last used such a Connection with success; kinds that none has used are left out."""
    rows = session.rows(queries.load("ledger/last_use"), {"target": target, "since": since})
    return {row["used"]: row["at"] for row in rows if row["at"] is not None}


def inspect(sources: Sources) -> LookResult:
    """Reach each Connection and third party of config once, changing nothing."""
    config, target, now = sources.config.maintenance, sources.window.target, datetime.now(UTC)
    with sources.ledger() as session:
        earlier = earlier_samples(session, target, sources.step, now)
        used = last_use(session, target, now - REACH)
    named = [_integration(one, sources) for one in connections(config, sources.target)]
    every = [*named, *_functions(sources), *endpoints(config, sources.target)]
    seen = look_at_all(every, Timeouts(config.http, config.sql))
    reached = {subject: at for (metric, subject), (_, at) in earlier.items() if metric == REACHED}
    return judge([(one, seen[one.name]) for one in every], reached, used, config.integrations, datetime.now(UTC))


def _functions(sources: Sources) -> list[Integration]:
    """Each function behind the functions Connection, or why none can be asked."""
    connection_id = sources.config.target(sources.target).connections.functions
    try:
        send, key = sources.functions(connection_id)
    except Exception as error:
        title = f"Functions (Connection {connection_id})"
        return [Integration("function", title, ProbeKind.CALL, broken=_unusable(connection_id, error))]
    return functions(connection_id, send, key, sources.config.maintenance.http)


def _integration(named: ConfiguredConnection, sources: Sources) -> Integration:
    """A Connection as an integration; one that cannot be read is broken, without a word of what it holds."""
    try:
        found = sources.connection(named.connection_id, named.type)
        extra = found.extra_dejson
    except Exception as error:
        broken = _unusable(named.connection_id, error)
        return Integration(named.name, named.title, ProbeKind.TLS, used=named.used, broken=broken)
    return of_fields(
        named,
        host=found.host or "",
        port=found.port,
        schema=found.schema or "",
        login=found.login or "",
        password=found.password or "",
        extra=extra,
        connect=sources.postgres(found) if named.type == "postgres" else None,
    )


def _unusable(connection_id: str, error: Exception) -> str:
    """Our own words as they are; Airflow quotes a connection string that it cannot read, with the password in it."""
    if isinstance(error, ConfigError):
        return str(error)
    return f"Connection {connection_id!r}: found something that Airflow cannot read ({type(error).__name__})"


def _described(_: Settings, __: str) -> str:
    return "each Connection and address in config: a login and SELECT 1, a HEAD, a handshake, a look at a folder"


_SOURCE = "each Connection and address in config/maintenance.yaml"

INSPECTIONS = (Inspection("integrations", _SOURCE, _described, inspect),)
