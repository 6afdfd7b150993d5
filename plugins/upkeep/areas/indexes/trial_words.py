"""What is said of indexes that were tried on a restored copy, and of the statements that config names (G53). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from upkeep.areas.indexes import create, lacking, named
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import count, size, span
from upkeep.settings.approval import NamedStatement

_STATEMENTS_REMEDY = (
    "Correct indexes.statements in config/maintenance.yaml: each name with its schema, $1 for what an application "
    "fills in or computes. What is newer than the backup is there in the next one."
)


def findings(
    trials: Sequence[Mapping[str, Any]],
    read: Sequence[Mapping[str, Any]],
    wait: str,
    topic: Topic,
    config: Sequence[NamedStatement],
) -> list[Finding]:
    """One of all, one of each index and one of each statement; ``wait`` says which indexes were not tried."""
    detail = "no foreign key of a large table lacks one: nothing to try"
    if trials:
        proven = sum(bool(lacking.proving(one, one, config)) for one in trials)
        detail = f"{count(len(trials), 'index')} tried, {proven} proven"
    elif wait:
        detail = "nothing to try"
    return [
        topic.finding(Level.OK, detail + wait, create.EXPECTED),
        *(_of_statement(one, topic) for one in read),
        *(_of_index(one, topic, config) for one in trials),
    ]


def _of_statement(one: Mapping[str, Any], topic: Topic) -> Finding:
    part = topic.part(f"statement:{one['name']}", f"Statement {one['name']} (indexes.statements), planned on the copy")
    if one["elsewhere"]:
        return part.finding(Level.OK, f"not of this target: {one['why']}", named.EXPECTED)
    if one["why"]:
        remedy = "Repeat the restoration." if one["hosts_own"] else _STATEMENTS_REMEDY
        return part.finding(Level.UNKNOWN, f"not collected: {one['why']}", named.EXPECTED, remedy)
    return part.finding(Level.OK, f"estimated cost {one['cost']:,.0f} without any index tried", named.EXPECTED)


def _of_index(one: Mapping[str, Any], topic: Topic, config: Sequence[NamedStatement]) -> Finding:
    name = f"{one['schema']}.{one['table']}"
    part = topic.part(f"{name}:{one['constraint']}", f"An index of {name} for {one['constraint']}, on the copy")
    if one["why"]:
        remedy = "No plan proposes it until a restoration has proven it."
        if one.get("hosts_own"):
            remedy = "What an earlier restoration has proven holds for as long as it would. Repeat the restoration."
        return part.finding(Level.UNKNOWN, f"not collected: {one['why']}", create.EXPECTED, remedy)
    return part.finding(Level.OK, said(one, config), create.EXPECTED)


def said(one: Mapping[str, Any], config: Sequence[NamedStatement]) -> str:
    """What came of one trial, in words: which statement was planned, with its cost before and after."""
    if one["why"]:
        return f"not tried: {one['why']}"
    built = f"built in {span(timedelta(seconds=one['seconds']))}, {size(one['bytes'])}"
    lookup = f"{lacking.LOOKUP}: {_costs(one)}" + ("" if lacking.looked_up(one) else f" ({lacking.NOT_LOOKED_UP})")
    parts = ["proven" if lacking.proving(one, one, config) else "not proven", built, lookup]
    parts += [
        f"statement {it['name']}: {it['why'] or _costs(it)}" for it in one["statements"] if it["indexed"] or it["why"]
    ]
    if one["statements"] and not any(it["indexed"] for it in one["statements"]):
        parts.append("no named statement reads by the index")
    return "; ".join(parts)


def _costs(one: Mapping[str, Any]) -> str:
    by = "by the index" if one["indexed"] else "not by the index"
    return f"estimated cost {one['before']:,.0f} before, {one['after']:,.0f} after, {by}"
