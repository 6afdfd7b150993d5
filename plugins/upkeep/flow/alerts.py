"""The two tasks of ``maintenance_alerts``: judge what the ledger holds, deliver what is due.

Neither fails because of a channel, and both may be run again, cleared, or woken by an event that somebody posted: what
was told is not told again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator

from upkeep.flow.connections import postgres
from upkeep.flow.runs import is_running
from upkeep.flow.urls import alerts_url, report_url
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from upkeep.areas.alerts.judge import Judged

#: What each report announces. An event only wakes: what is so is read from the ledger.
NEWS = Asset("upkeep_report")


def _ledger(*, read_only: bool = False) -> Any:
    from upkeep.wires import database

    config = settings().maintenance
    return database.session(postgres(config.ledger.tasks), config.sql, read_only=read_only)


def _judge(log: Any, missing: Mapping[str, str], channels: list[str]) -> Judged:
    from upkeep.areas.alerts.body import Pages
    from upkeep.areas.alerts.judge import judge
    from upkeep.areas.alerts.troubles import calendar

    for name, why in missing.items():
        log.info("Channel %s is not set up: %s", name, why)
    now = datetime.now(UTC)
    with _ledger() as session:
        found = calendar(session, settings(), now)
    if found is None:
        log.warning("The clocks of this host and of the ledger disagree: the calendar was not looked through")
    with _ledger() as session:
        judged = judge(session, settings(), found, channels, Pages(report_url, alerts_url()), is_running, now)
    log.info("%d alerts are open; %d messages arose", judged.open, len(judged.messages))
    for message in judged.messages:
        log.info("%s: %s", message.channel, ", ".join(message.counts))
    return judged


class JudgeOperator(BaseOperator):
    """Hold what is known against what is so, and put what is to be told into the outbox."""

    ui_color = "#c9d7e8"

    def execute(self, context: Context) -> dict[str, int]:
        from upkeep.flow.channels import senders

        found, missing = senders(settings().routing)
        judged = _judge(self.log, missing, list(found))
        return {"open": judged.open, "messages": len(judged.messages)}


class DeliverOperator(BaseOperator):
    """Send what is due. Where a channel takes nothing, look once more: the others are to be told of that."""

    ui_color = "#c9d7e8"

    def execute(self, context: Context) -> dict[str, int]:
        from upkeep.areas.alerts.deliver import deliver
        from upkeep.flow.channels import senders

        found, missing = senders(settings().routing)
        retry = settings().routing.retry
        sent: dict[str, int] = {}
        for again in (True, False):
            delivered = deliver(_ledger, found, retry, lambda: datetime.now(UTC))
            for name, number in delivered.sent.items():
                sent[name] = sent.get(name, 0) + number
            for name, error in delivered.failed.items():
                self.log.warning("Channel %s did not take a message, it is sent again later: %s", name, error)
            if not again or not delivered.failed or not _judge(self.log, missing, list(found)).messages:
                break
        self.log.info("Sent: %s", sent or "nothing was due")
        self._forward()
        return sent

    def _forward(self) -> None:
        from upkeep.areas.alerts.posted import posted
        from upkeep.flow.alertmanager import forward

        routing = settings().routing

        def alerts(hold: timedelta) -> list[dict[str, Any]]:
            with _ledger(read_only=True) as session:
                return posted(session, routing, alerts_url(), hold, datetime.now(UTC))

        if routing.alertmanager:
            forward(routing.alertmanager, routing.retry.timeout_seconds, alerts, self.log)
