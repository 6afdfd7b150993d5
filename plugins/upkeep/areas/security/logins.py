"""Daily security checks: failed logins and new addresses (G70), refusals (G71), the service-role key (G72), scans (G6).

Account names and addresses are people's data; they are shown, cut to 200 characters, because somebody must act on them.
"""

from __future__ import annotations

from datetime import timedelta

from upkeep.areas.logs import Log, Memory, address, named, span, within
from upkeep.areas.look import Check, Look
from upkeep.areas.security.events import unrecognised
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.database import Row

#: Offenders that one look shows, each as a finding or as a line of one.
SHOWN = 50
#: Addresses that a look at refusals names.
MOST_REFUSED = 5
#: Addresses with service-role requests that one look holds against the allowed networks.
MOST_ADDRESSES = 10_000
_FAILED = Topic("failed_logins", "Failed logins", "G70")


def failed_logins(look: Look) -> LookResult:
    """Addresses and accounts with more failed logins in the period than config allows."""
    log = Log(look, "security", _FAILED)
    if hidden := log.hidden():
        return LookResult((hidden,))
    limits = look.settings.maintenance.security
    per = {"address": limits.failed_logins_per_address, "account": limits.failed_logins_per_account}
    names = list(limits.events.login_failure)
    parameters = {"per_address": per["address"], "per_account": per["account"], "shown": SHOWN}
    total, *offenders = log.rows("security/failed_logins", parameters | {"login_failure": names})
    if not total["written"]:
        return LookResult((log.unwritten(),))
    if not total["failures"] and (blind := unrecognised(log, "login_failure")):
        return LookResult((blind,))
    samples = (Sample("failed_logins", float(total["failures"]), "events"),)
    if offenders:
        findings = [_offender(row, per[row["dimension"]]) for row in offenders]
        if (more := total["offenders"] - len(offenders)) > 0:
            findings.append(_more_offenders(more))
        return LookResult(tuple(findings), samples)
    detail = f"{total['failures']} from {total['addresses']} addresses against {total['accounts']} accounts"
    if total["without_address"]:
        detail += f"; {total['without_address']} without an address"
    expected = f"at most {per['address']} per address and {per['account']} per account"
    return LookResult((log.topic.finding(Level.OK, detail, expected),), samples)


def _offender(row: Row, limit: int) -> Finding:
    dimension = row["dimension"]
    who = address(row["address"]) if dimension == "address" else row["account"]
    others = f"against {row['accounts']} accounts" if dimension == "address" else f"from {row['addresses']} addresses"
    subject = f"Failed logins {'from' if dimension == 'address' else 'of'} {who}"
    return _FAILED.part(f"{dimension}:{who}", subject).finding(
        Level.WARNING,
        f"{row['failures']} in the period, {others}, {span(row)}",
        f"at most {limit} per {dimension}",
        "Many accounts from one address are guessed at: block the address. One account is more often a forgotten "
        "password or an old secret in a program."
        if dimension == "address"
        else "Ask its owner. Many addresses against one account are an attack on it: lock it, reset its password.",
        {dimension: who, "failures": row["failures"], "limit": limit},
    )


def _more_offenders(more: int) -> Finding:
    return _FAILED.part("more", "Failed logins of others").finding(
        Level.WARNING,
        f"{more} more addresses and accounts are above the limits; the {SHOWN} with most failures are shown",
        "none",
        "So many at once are an attack, or a limit that does not fit (config: security.failed_logins_per_…).",
    )


def new_addresses(look: Look) -> LookResult:
    """Addresses that logged in during the period and never in the days before it."""
    log = Log(look, "security", Topic("new_addresses", "Logins from new addresses", "G70"))
    if hidden := log.hidden():
        return LookResult((hidden,))
    known_for = _known_for(look.settings)
    memory = Memory(log, look.period[0] - known_for)
    names = list(look.settings.maintenance.security.events.login_success)
    rows = log.rows("security/new_addresses", memory.parameters | {"login_success": names})
    first = rows[0]
    if not first["written"]:
        return LookResult((log.unwritten(),))
    if not first["seen"] and (blind := unrecognised(log, "login_success")):
        return LookResult((blind,))
    if first["seen"] and not memory.addresses and not first["known_from"]:
        reason = f"no login of the {known_for.days} days before the period is known, so every address would be new"
        return LookResult((log.unknown(reason, "The log must be kept for longer, or has only just begun."),))
    fresh = [row for row in rows if row["fresh"]][:SHOWN]
    detail = f"{first['new']} of {first['seen']} addresses with a login are new"
    if fresh:
        detail += f": {named([_login(row) for row in fresh], first['new'])}"
    known_from = memory.begun(first["known_from"])
    if known_from > memory.since + timedelta(days=1):
        detail += f"; the log knows logins only from {known_from:%Y-%m-%d} on"
    finding = log.topic.judged(
        Level.ADVISORY if fresh else Level.OK,
        detail,
        f"addresses that logged in during the {known_for.days} days before",
        "Look for accounts that never came from such a place; ask their owners.",
        {
            "addresses": [
                {"address": address(row["address"]), **{key: row[key] for key in ("logins", "accounts", "account")}}
                for row in fresh
            ]
        },
    )
    return LookResult((finding,), (Sample("new_addresses", float(first["new"]), "addresses"), *memory.samples(rows)))


def _known_for(config: Settings) -> timedelta:
    return timedelta(days=config.maintenance.security.new_address_days)


def _login(row: Row) -> str:
    others = f" and {row['accounts'] - 1} more accounts" if row["accounts"] > 1 else ""
    return f"{address(row['address'])} ({row['account'] or 'no account'}{others})"


def rate_limits(look: Look) -> LookResult:
    """The share of requests answered with 429, and the rate_limited events; each log is judged by itself."""
    requests, events = _limited_requests(look), _rate_limit_events(look)
    return LookResult(requests.findings + events.findings, requests.samples + events.samples)


def _limited_requests(look: Look) -> LookResult:
    log = Log(look, "application", Topic("rate_limits:requests", "Requests answered with 429", "G71"))
    if hidden := log.hidden():
        return LookResult((hidden,))
    total, *worst = log.rows("security/rate_limits", {"shown": MOST_REFUSED})
    if not total["requests"]:
        return LookResult((log.unwritten(),))
    limit = look.settings.maintenance.security.rate_limited_percent
    percent = 100 * total["limited"] / total["requests"]
    detail = f"{total['limited']} of {total['requests']} ({percent:.2f} %)"
    finding = _refused(
        log, percent > limit, detail, f"at most {limit:g} %", {address(r["address"]): r["limited"] for r in worst}
    )
    return LookResult((finding,), (Sample("rate_limited_requests", percent, "%"),))


def _rate_limit_events(look: Look) -> LookResult:
    log = Log(look, "security", Topic("rate_limits:events", "Rate-limit events", "G71"))
    if hidden := log.hidden():
        return LookResult((hidden,))
    names = list(look.settings.maintenance.security.events.rate_limited)
    total, *worst = log.rows("security/rate_limit_events", {"shown": MOST_REFUSED, "rate_limited": names})
    if not total["written"]:
        return LookResult((log.unwritten(),))
    if not total["events"] and (blind := unrecognised(log, "rate_limited")):
        return LookResult((blind,))
    limit, events = look.settings.maintenance.security.rate_limited_events, total["events"]
    finding = _refused(
        log, events > limit, f"{events}", f"at most {limit}", {address(r["address"]): r["events"] for r in worst}
    )
    return LookResult((finding,), (Sample("rate_limited_events", float(events), "events"),))


def _refused(log: Log, bad: bool, detail: str, expected: str, worst: dict[str, int]) -> Finding:
    most = ", ".join(f"{address} {count}" for address, count in worst.items())
    return log.topic.judged(
        Level.WARNING if bad else Level.OK,
        f"{detail} in the period" + (f"; most by {most}" if most else ""),
        expected,
        "One client that refuses to slow down is blocked; many that do no harm need a higher limit.",
        {"most": worst},
    )


def service_role_hours(look: Look) -> LookResult:
    """Requests with the service-role key at odd hours, or from elsewhere than the servers that config allows it."""
    log = Log(look, "application", Topic("service_role_hours", "Use of the service-role key", "G72"))
    if hidden := log.hidden():
        return LookResult((hidden,))
    limits = look.settings.maintenance.security
    parameters = {
        "starts": [hours.start for hours in limits.odd_hours],
        "ends": [hours.end for hours in limits.odd_hours],
        "any_hour": bool(limits.service_role_addresses),
        "most": MOST_ADDRESSES,
    }
    rows = log.rows("security/service_role_hours", parameters)
    if not rows[0]["written"]:
        return LookResult((log.unwritten(),))
    strangers = [
        row for row in rows if row["requests"] is not None and not within(row["address"], limits.service_role_addresses)
    ]
    return LookResult(
        (_service_role(log, strangers, rows[0]["addresses"]),),
        (Sample("service_role_strangers", float(sum(row["requests"] for row in strangers)), "requests"),),
    )


def _service_role(log: Log, strangers: list[Row], addresses: int) -> Finding:
    limits = log.look.settings.maintenance.security
    hours = ", ".join(map(str, limits.odd_hours)) or "never"
    requests = sum(row["requests"] for row in strangers)
    if limits.service_role_addresses:
        expected = f"only from {', '.join(map(str, limits.service_role_addresses))}"
        detail = f"{requests} requests from {len(strangers)} other addresses"
        detail += f", {sum(row['odd_requests'] for row in strangers)} of them at odd hours ({hours} UTC)"
    else:
        expected = f"none at odd hours ({hours} UTC)"
        detail = f"{requests} requests at odd hours from {len(strangers)} addresses"
    if strangers:
        each = [f"{address(row['address'])} {row['requests']}" for row in strangers]
        detail += f": {named(each, len(each))}"
    if addresses > MOST_ADDRESSES:
        detail += f"; only {MOST_ADDRESSES} of {addresses} addresses were looked at"
    # While nobody has said which servers may use the key, its use at night is worth a look, not an alarm.
    level = Level.WARNING if limits.service_role_addresses or addresses > MOST_ADDRESSES else Level.ADVISORY
    bad = bool(strangers) or addresses > MOST_ADDRESSES
    return log.topic.judged(
        level if bad else Level.OK,
        detail,
        expected,
        "The key passes every row-level policy: find who uses it there. If it is your own server, name it in "
        "config: security.service_role_addresses; if nobody knows, rotate the key.",
        {
            "addresses": [
                {
                    "address": address(row["address"]),
                    "requests": row["requests"],
                    "odd_requests": row["odd_requests"],
                    "seen": span(row),
                }
                for row in strangers[:SHOWN]
            ]
        },
    )


CHECKS = (
    Check("security/failed_logins", "G70", "Failed logins", failed_logins),
    Check("security/new_addresses", "G70", "Logins from new addresses", new_addresses, _known_for),
    Check("security/rate_limits", "G71", "Requests answered with 429", rate_limits),
    Check("security/service_role_hours", "G72", "Use of the service-role key", service_role_hours),
)
