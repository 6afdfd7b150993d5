"""What a month costs by measured use and configured prices, and what could be saved (G30). Pure.

Nothing is guessed: what has a price and was not measured is named as missing. A saving is what the month would cost
less without it: bytes within the included ones save nothing, and all together may save less than one by one.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from upkeep.areas.performance.trends import Weeks
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.units import amount
from upkeep.settings.cost import Cost

GB = 1e9
#: Days of a month, on average.
MONTH = 365.25 / 12
#: The share of the budget from which on the total is an advisory.
NEAR = 0.9
#: Weeks, this one among them, in which a function that is in use is called.
IDLE_WEEKS = 5
#: A size that is older than this is not this month's.
STALE = timedelta(days=31)

GUIDE = "G30"


@dataclass(frozen=True)
class MonthlyUsage:
    """What a month uses; None was not measured. ``bytes_of`` and ``calls_of`` say where a number comes from."""

    database_bytes: float | None = None
    invocations: float | None = None
    bytes_of: str = ""
    calls_of: str = ""


@dataclass(frozen=True)
class CostLine:
    """One line of the month: ``amount`` of None is not known, for the reason in ``note``."""

    name: str
    amount: float | None
    note: str


@dataclass(frozen=True)
class Saving:
    """What could go: so many bytes, or a function that nobody calls. ``unknown`` says why it is not known."""

    key: str
    subject: str
    detail: str
    remedy: str
    bytes: float = 0.0
    fixed: float = 0.0
    unknown: str = ""


def used(sizes: Sequence[float], weeks: Weeks) -> MonthlyUsage:
    """What a month uses: the mean of its sizes, and calls by the weeks of it that were measured."""
    calls = [value for ago, value in weeks.get("", {}).items() if ago < IDLE_WEEKS]
    return MonthlyUsage(
        database_bytes=statistics.fmean(sizes) if sizes else None,
        invocations=statistics.fmean(calls) * MONTH / 7 if calls else None,
        bytes_of=f"the mean of {len(sizes)} samples",
        calls_of=f"from {len(calls)} of {IDLE_WEEKS} weeks",
    )


def bill(cost: Cost, use: MonthlyUsage) -> list[CostLine]:
    """The month line by line, only what has a price."""
    lines = [CostLine(one.name, one.price, "fixed") for one in cost.compute_month]
    if (price := cost.database_gb_month) is not None:
        if use.database_bytes is None:
            lines.append(CostLine("database", None, "no window of the last month measured the database's size"))
        else:
            size = use.database_bytes / GB
            note = f"{size:,.4g} GB, {use.bytes_of}, {price.included:g} GB included"
            lines.append(CostLine("database", price.cost(size), note))
    if (price := cost.function_invocations_million) is not None:
        if use.invocations is None:
            lines.append(CostLine("function calls", None, "no week of the last month measured them"))
        else:
            calls = use.invocations / 1e6
            note = f"{calls:,.4g} million, {use.calls_of}, {price.included:g} million included"
            lines.append(CostLine("function calls", price.cost(calls), note))
    if (egress := cost.egress_gb) is not None:
        if egress.used_gb is None:
            lines.append(
                CostLine("egress", None, "nothing measures it (config/maintenance.yaml: cost.egress_gb.used_gb)")
            )
        else:
            lines.append(CostLine("egress", egress.cost(egress.used_gb), f"{egress.used_gb:g} GB as configured"))
    return lines


def idle_functions(weeks: Weeks) -> list[tuple[str, int]]:
    """(function, weeks since its last call) of those that were called before and not in the last weeks.

    Empty where the last weeks were not measured by function: silence of the ledger is no idleness.
    """
    parts = {name: values for name, values in weeks.items() if name}
    if not any(ago < IDLE_WEEKS for values in parts.values() for ago in values):
        return []
    called = {name: [ago for ago, calls in values.items() if calls > 0] for name, values in parts.items()}
    return sorted((name, min(weeks)) for name, weeks in called.items() if weeks and min(weeks) >= IDLE_WEEKS)


def idle_savings(cost: Cost, weeks: Weeks) -> Iterator[Saving]:
    """A saving for each function that nobody calls any more; not known where the last weeks were not measured."""
    if not any(ago < IDLE_WEEKS for name, values in weeks.items() if name for ago in values):
        yield Saving(
            key="cost:saving:functions",
            subject="Functions that nobody calls",
            detail="",
            remedy="See why the weekly window has no numbers of each function.",
            unknown=f"none of the last {IDLE_WEEKS} weeks measured calls by function",
        )
        return
    for name, ago in idle_functions(weeks):
        yield Saving(
            key=f"cost:saving:function:{name}",
            subject=f"Function {name} is idle",
            detail=f"its last call was {ago} weeks ago",
            remedy="Ask its owner; a function that nobody calls is removed, or whoever called it is broken.",
            fixed=cost.function_month,
        )


def saved(cost: Cost, use: MonthlyUsage, savings: Iterable[Saving]) -> float | None:
    """What the month would cost less without all of these; None where the size has a price and was not measured."""
    found = list(savings)
    fixed, octets = sum(one.fixed for one in found), sum(one.bytes for one in found)
    if cost.database_gb_month is None or octets == 0:
        return fixed
    if use.database_bytes is None:
        return None
    price, left = cost.database_gb_month, max(0.0, use.database_bytes - octets)
    return fixed + price.cost(use.database_bytes / GB) - price.cost(left / GB)


# Findings -------------------------------------------------------------------------------------------------------


def findings(cost: Cost, use: MonthlyUsage, savings: Sequence[Saving]) -> tuple[list[Finding], list[Sample]]:
    """The total against the budget, each saving with its amount, all of them together."""
    lines = bill(cost, use)
    amounts = [line.amount for line in lines if line.amount is not None]
    together = saved(cost, use, [one for one in savings if not one.unknown])
    found = [_total(cost, lines, sum(amounts)), *(_saving(cost, use, one) for one in savings)]
    found.append(_together(cost, savings, together))
    samples = [Sample("cost_month", sum(amounts), cost.currency)] if amounts and len(amounts) == len(lines) else []
    if together is not None and not any(one.unknown for one in savings):
        samples.append(Sample("savings_month", together, cost.currency))
    return found, samples


def _money(cost: Cost, value: float) -> str:
    """An amount with two digits, or with as many as a very small one needs to be seen."""
    return f"{value:.2g} {cost.currency}" if 0 < value < 0.01 else f"{value:,.2f} {cost.currency}"


def _line(cost: Cost, line: CostLine) -> str:
    return f"{line.name} {_money(cost, line.amount or 0.0)} ({line.note})"


def _total(cost: Cost, lines: Sequence[CostLine], total: float) -> Finding:
    """A part that is beyond the budget is enough for a warning; one that is not whole is never ok."""
    missing = [line for line in lines if line.amount is None]
    if cost.budget is not None and total > cost.budget:
        level = Level.WARNING
    elif missing or not lines:
        level = Level.UNKNOWN
    else:
        near = cost.budget is not None and total > NEAR * cost.budget
        level = Level.ADVISORY if near else Level.OK
    told = "; ".join(_line(cost, line) for line in lines if line not in missing)
    said = f"{'at least ' if missing else ''}{_money(cost, total)} a month: {told}" if told else "not collected"
    said += "".join(f"; without {line.name}: {line.note}" for line in missing)
    return Topic("cost:month", "Cost of a month", GUIDE).finding(
        level,
        said if lines else "not collected: no price is configured (config/maintenance.yaml: cost)",
        "no budget is configured (config: cost.budget)"
        if cost.budget is None
        else f"at most {_money(cost, cost.budget)} (config: cost.budget)",
        "" if level is Level.OK else "See the savings; a price that is wrong is changed in config.",
        {"lines": [{"name": line.name, "amount": line.amount, "note": line.note} for line in lines]},
    )


def _saving(cost: Cost, use: MonthlyUsage, one: Saving) -> Finding:
    good = "nothing is paid for that nobody uses"
    finding = Finding(one.key, Level.ADVISORY, one.subject, one.detail, good, one.remedy, GUIDE)
    if one.unknown:
        return replace(finding, level=Level.UNKNOWN, detail=f"not collected: {one.unknown}")
    less = saved(cost, use, (one,))
    if less is None:
        return replace(finding, detail=f"{one.detail}; what it costs is not known: the size was not measured")
    free = ", for what is included is not used up or it has no price" if less == 0 else ""
    return replace(
        finding,
        detail=f"{one.detail}: saves {_money(cost, less)} a month{free}",
        metadata={"amount": less, "currency": cost.currency, "bytes": one.bytes},
    )


def _together(cost: Cost, savings: Sequence[Saving], together: float | None) -> Finding:
    known, unknown = [one for one in savings if not one.unknown], [one for one in savings if one.unknown]
    octets = sum(one.bytes for one in known)
    if known:
        worth = "of unknown worth" if together is None else f"{_money(cost, together)} a month"
        said = f"{len(known)} found, together {worth}, {amount(octets, 'bytes')}"
    else:
        said = "none found"
    said += f"; {len(unknown)} could not be looked for" if unknown else ""
    level = Level.UNKNOWN if unknown else Level.OK
    return Finding("cost:savings", level, "Savings found", said, "each is a finding of its own", "", GUIDE)
