"""The kinds of action, by name: one room each knows what may be changed, and how."""

from __future__ import annotations

from collections.abc import Mapping

from upkeep.areas.baselines import change
from upkeep.areas.baselines.force import KIND
from upkeep.areas.indexes import drop, propose, reindex
from upkeep.areas.tables import constraints, vacuum
from upkeep.areas.thresholds import change as thresholds_change
from upkeep.areas.thresholds.force import KIND as THRESHOLDS_KIND
from upkeep.gate.kind import Kind

KINDS: Mapping[str, Kind] = {
    KIND: Kind(change.state, change.obstacle, change.was_done, change.write),
    constraints.KIND: Kind(constraints.state, constraints.obstacle, constraints.was_done, run=constraints.run),
    propose.KIND: Kind(
        drop.state,
        drop.obstacle,
        drop.was_done,
        run=drop.run,
        note=drop.note,
        leftovers=drop.leftovers,
        partly=drop.partly,
    ),
    vacuum.KIND: Kind(
        vacuum.state,
        vacuum.obstacle,
        vacuum.was_done,
        run=vacuum.run,
        note=vacuum.note,
        partly=vacuum.partly,
        elsewhere=vacuum.elsewhere,
    ),
    reindex.KIND: Kind(
        reindex.state,
        reindex.obstacle,
        reindex.was_done,
        no_room=reindex.no_room,
        leftovers=reindex.leftovers,
        elsewhere=reindex.elsewhere,
    ),
    THRESHOLDS_KIND: Kind(
        thresholds_change.state, thresholds_change.obstacle, thresholds_change.was_done, thresholds_change.write
    ),
}
