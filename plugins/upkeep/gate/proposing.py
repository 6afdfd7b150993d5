"""What a kind of action draws its proposals from: the target, the ledger, config, and what is planned already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from upkeep.gate import predictions
from upkeep.gate.permit_store import past_actions
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.predictions import Corrections
from upkeep.settings.load import Settings
from upkeep.wires import database
from upkeep.wires.database import Connect, Session

Open = Callable[[], AbstractContextManager[Session]]


class NotAsked(Exception):
    """A database that did not answer a kind's question; its text names the Connection and the cause."""


@dataclass(frozen=True)
class ProposalSources:
    """Where proposals come from: the target and its standbys, the ledger, what config says, and when it is asked.

    ``target`` and ``ledger`` open a session each time: one that stays open idles while the other is asked, and is ended
    by its own clock. ``name`` is the target's in config, ``cadence`` the window's; ``taken`` are actions that people
    have approved elsewhere and are still to run, or that this plan holds already.
    """

    name: str
    cadence: str
    target: Open
    ledger: Open
    settings: Settings
    now: datetime
    taken: tuple[Action, ...] = ()
    replicas: Mapping[str, Connect] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on the target. Raises NotAsked."""
        known = self.settings.maintenance.targets.get(self.name)
        with _explained(self.target, known.connections.read if known else self.name) as session:
            yield session

    @contextmanager
    def remembering(self) -> Iterator[Session]:
        """A session on the ledger. Raises NotAsked."""
        with _explained(self.ledger, self.settings.maintenance.ledger.tasks) as session:
            yield session

    def taken_of(self, kind: str) -> list[int]:
        """The OIDs that approved actions of a kind are about."""
        return [action.oid for action in self.taken if action.kind == kind]

    def roles(self, kind: str) -> tuple[str, ...]:
        """Who has to approve a kind."""
        return self.settings.maintenance.approval.roles_of(kind)

    def learned(self, kind: str) -> Corrections:
        """What predictions of a kind are corrected by."""
        with self.remembering() as session:
            past = past_actions(session, self.name, kind, self.now - predictions.REACH)
        return predictions.learned(past, self.settings.maintenance.optimise.least_receipts)


@contextmanager
def _explained(opened: Open, connection_id: str) -> Iterator[Session]:
    try:
        with opened() as session:
            yield session
    except psycopg.Error as error:
        raise NotAsked(database.explain(error, connection_id)) from error


#: A kind's proposals, and how many candidates there are in all.
Proposals = tuple[list[Proposal], int]


class PartlyAsked(NotAsked):
    """Some of what a kind asks did not answer; ``found`` is what it proposes by the rest."""

    def __init__(self, why: str, found: Proposals) -> None:
        super().__init__(why)
        self.found = found


def answered(found: list[Proposal], failed: Sequence[str]) -> Proposals:
    """What a kind proposes. Raises PartlyAsked where something did not answer."""
    if failed:
        raise PartlyAsked("; ".join(failed), (found, len(found)))
    return found, len(found)
