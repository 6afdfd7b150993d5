"""``python -m upkeep alerts`` and ``acknowledge``: what is open, what was not delivered, and who knows of it."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta

from upkeep.areas.alerts import store
from upkeep.areas.alerts.episodes import Alert
from upkeep.core.units import brief, span, utc
from upkeep.flow.channels import not_set_up
from upkeep.flow.connections import postgres
from upkeep.settings.load import Settings, settings
from upkeep.wires import database, queries
from upkeep.wires.database import Row

#: Dead letters are listed for so long.
DEAD = timedelta(days=7)


def show(arguments: argparse.Namespace) -> int:
    """Print open alerts, what waits to be sent, dead letters and channels. Returns 1 when anything is open or waits."""
    config, now = settings(), datetime.now(UTC)
    with database.session(
        postgres(config.maintenance.ledger.dashboard), config.maintenance.sql, read_only=True
    ) as session:
        alerts = [alert for alert in store.known(session) if alert.ended_at is None]
        waiting = session.rows(queries.load("alerts/waiting"), {"after": now - DEAD})
    alerts = [alert for alert in alerts if arguments.target in (None, alert.trouble.target)]
    for alert in sorted(alerts, key=lambda one: (one.level.rank, one.id)):
        print(_alert(alert, now))
    print(f"{len(alerts)} open.")
    for row in waiting:
        print(_message(row, now))
    print(f"{len(waiting)} not delivered.")
    for name, why in channels_missing(config).items():
        print(f"Channel {name} is not set up: {why}")
    return 1 if alerts or waiting else 0


def channels_missing(config: Settings) -> dict[str, str]:
    """Channel → why nobody is told through it."""
    found = {name: not_set_up(name, channel) for name, channel in config.routing.channels.items()}
    return {name: why for name, why in found.items() if why}


def _alert(alert: Alert, now: datetime) -> str:
    trouble, known = alert.trouble, alert.acknowledged
    told = ", ".join(f"{channel} {one.level}" for channel, one in sorted(alert.told.items())) or "nobody yet"
    lines = [
        f"{alert.id:>6}  {trouble.level.upper():8}  {trouble.target or 'Upkeep'}  {trouble.cause}",
        f"        since {utc(trouble.since)} ({span(now - trouble.since)}); owner {trouble.owner}; told: {told}",
    ]
    if known:
        until = f"until {utc(known.until)}" if known.until else "until it clears"
        lines.append(f"        acknowledged by {known.by} {until}: {known.why}")
    lines.append(f"        key {brief(trouble.key, 200)}")
    return "\n".join(lines)


def _message(row: Row, now: datetime) -> str:
    state = "DEAD" if row["state"] == "dead" else f"due, tried {row['attempts']} times"
    age = span(now - row["made_at"])
    return f"{row['id']:>6}  {row['channel']}  {row['level']}  {age} old  {state}  {brief(row['error'], 200)}".rstrip()


def acknowledge(arguments: argparse.Namespace) -> int:
    """Silence one open alert. Returns 1 when there is none of that number or key."""
    config, now = settings(), datetime.now(UTC)
    config.target(arguments.target)
    until: datetime | None = None if arguments.until_it_clears else arguments.until + timedelta(days=1)
    if until is not None and until <= now:
        print(f"--until: found {arguments.until:%Y-%m-%d}, which is over; expected today or later", file=sys.stderr)
        return 1
    by, why = (brief(text, 200) for text in (arguments.by, arguments.why))
    given = {"target": arguments.target, "key": arguments.key, "by": by, "why": why, "until": until}
    with database.session(
        postgres(config.maintenance.ledger.tasks), config.maintenance.sql, read_only=False
    ) as session:
        found = session.rows(queries.load("alerts/acknowledge"), given)
    if not found:
        print(
            f"found no open alert {arguments.key!r} of {arguments.target}, expected a number or a key that "
            "`python -m upkeep alerts` lists",
            file=sys.stderr,
        )
        return 1
    end = f"until the end of {arguments.until:%Y-%m-%d} UTC" if until else "until it clears"
    print(f"{found[0]['cause']}: acknowledged by {by} {end}.")
    print(f"It is told again when it is worse than {found[0]['level']}, and so is its end.")
    return 0
