"""From the ledger's findings to messages in the outbox, in one transaction, by one judge at a time.

It may be called as often as one likes: what has been told is not told again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from upkeep.areas.alerts import store
from upkeep.areas.alerts.body import Pages, body
from upkeep.areas.alerts.episodes import follow
from upkeep.areas.alerts.notes import ChannelState, Message, decide, settled
from upkeep.areas.alerts.questions import unanswered
from upkeep.areas.alerts.troubles import current
from upkeep.areas.calendar.due import Reconciliation
from upkeep.core.windows import Run
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Session


@dataclass(frozen=True)
class Judged:
    """What one look came to: alerts that are open, and the messages that arose."""

    open: int
    messages: tuple[Message, ...]


def judge(
    session: Session,
    config: Settings,
    found: Reconciliation | None,
    set_up: Collection[str],
    pages: Pages,
    alive: Callable[[Run], bool],
    now: datetime,
) -> Judged:
    """Bring the alerts up to date and put what is to be told into the outbox of the channels that are set up.

    ``found`` is the calendar; where it was not looked through, what was known of it stays as it was. ``alive`` says of
    a run that asks people something whether it still goes on.
    """
    session.rows(queries.load("alerts/lock"))
    known, troubles = store.known(session), current(session, config, found, now)
    troubles += unanswered(session, config, alive, now)
    if found is None:
        troubles += [
            alert.trouble for alert in known if not alert.ended_at and alert.trouble.key.startswith("calendar:")
        ]
    store.write(session, follow(known, troubles, now), now)
    alerts, ended = store.known(session), store.summaries(session, now)
    existing = store.existing(session, (f"summary:{one.window_id}:{channel}" for one in ended for channel in set_up))
    state = ChannelState(set_up, store.made(session, now), existing, config.targets)
    messages = decide(alerts, ended, config.routing, state, now)
    for message in messages:
        store.put(session, message, body(message, config, pages, now), now)
    if messages:
        alerts = store.known(session)
    store.settle(session, settled(alerts, config.routing, state))
    return Judged(sum(alert.ended_at is None for alert in alerts), messages)
