"""The kinds of action, in the order in which a plan holds them: one module each knows what may be changed, and how.

Few and quick ones first: an index that goes need not be vacuumed, and one is rebuilt after VACUUM has emptied it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from upkeep.areas import versioned
from upkeep.areas.baselines import change as baselines
from upkeep.areas.baselines.force import KIND as BASELINES
from upkeep.areas.baselines.propose import proposals_from_ledger as baselines_in_ledger
from upkeep.areas.indexes import drop, propose, reindex
from upkeep.areas.tables import constraints, vacuum
from upkeep.areas.thresholds import change as thresholds
from upkeep.areas.thresholds.force import KIND as THRESHOLDS
from upkeep.areas.thresholds.propose import proposals_from_ledger as thresholds_in_ledger
from upkeep.gate.kind import ActionKind

_MONTHLY, _BOTH = ("monthly",), ("weekly", "monthly")

_ALL = (
    ActionKind(
        BASELINES,
        "G26",
        _MONTHLY,
        partial(versioned.proposals, baselines_in_ledger),
        baselines.state,
        baselines.obstacle,
        versioned.was_done,
        write=baselines.write,
    ),
    ActionKind(
        THRESHOLDS,
        "G19",
        _BOTH,
        partial(versioned.proposals, thresholds_in_ledger),
        thresholds.state,
        thresholds.obstacle,
        versioned.was_done,
        write=thresholds.write,
    ),
    ActionKind(
        propose.KIND,
        "G53",
        _BOTH,
        propose.proposals,
        drop.state,
        drop.obstacle,
        drop.was_done,
        run=drop.run,
        note=drop.note,
        leftovers=drop.leftovers,
        partly=drop.partly,
    ),
    ActionKind(
        constraints.KIND,
        "G60",
        _MONTHLY,
        constraints.proposals,
        constraints.state,
        constraints.obstacle,
        constraints.was_done,
        run=constraints.run,
    ),
    ActionKind(
        vacuum.KIND,
        "G59",
        _BOTH,
        vacuum.proposals,
        vacuum.state,
        vacuum.obstacle,
        vacuum.was_done,
        run=vacuum.run,
        note=vacuum.note,
        partly=vacuum.partly,
        elsewhere=vacuum.elsewhere,
    ),
    ActionKind(
        reindex.KIND,
        "G55",
        _MONTHLY,
        reindex.proposals,
        reindex.state,
        reindex.obstacle,
        reindex.was_done,
        no_room=reindex.no_room,
        leftovers=reindex.leftovers,
        elsewhere=reindex.elsewhere,
    ),
)
KINDS: Mapping[str, ActionKind] = {kind.name: kind for kind in _ALL}
