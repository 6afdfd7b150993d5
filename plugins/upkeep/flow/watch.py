"""The watch: one trigger in the triggerer polls every target, and announces what has changed (G31).

No DAG run and no worker for a poll. An event only wakes: what is so is read from the ledger, so that one which is
lost, repeated or posted by hand does no harm. One trigger with one loop polls all targets; Airflow's shared streams
are for several triggers, and there is one. A triggerer that is killed leaves no sample in its time, a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from upkeep.flow.connections import connection, postgres
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from upkeep.areas.watch.judge import Asked, Heard
    from upkeep.areas.watch.states import Change
    from upkeep.wires.functions.ask import Place

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Between two looks at what is to be rolled up.
HOUSE_SECONDS = 600
#: Of the time between two polls, what one call may take.
PATIENCE = 0.8


class WatchTrigger(BaseEventTrigger):
    """Polls all targets of config for ever; an event holds the target and the keys that changed.

    Its first event says that it has begun: what the one before saw, and was killed with, is told then.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "upkeep.flow.watch.WatchTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ends with the trigger alone: what fails is in the log, and the next poll comes."""
        changes: asyncio.Queue[tuple[str, list[str]]] = asyncio.Queue()
        tls = await _aside(_begin)
        from upkeep.wires.functions.ask import client

        async with client(settings().maintenance.http, tls) as web:
            tasks = [asyncio.create_task(_watch(web, target, changes)) for target in settings().targets]
            tasks.append(asyncio.create_task(_house()))
            try:
                yield TriggerEvent({"target": "", "changed": []})  # type: ignore[no-untyped-call]  # Airflow's
                while True:
                    target, keys = await changes.get()
                    yield TriggerEvent({"target": target, "changed": keys})  # type: ignore[no-untyped-call]  # Airflow's
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _begin() -> ssl.SSLContext:
    """Config is read, all that a poll needs imported, and certificates loaded in a thread: it takes seconds, and the
    loop is every other trigger's too.
    """
    from upkeep.areas.watch import follow, judge  # noqa: F401  # what polls import
    from upkeep.wires import database  # noqa: F401
    from upkeep.wires.functions.ask import trust

    settings()
    return trust()


async def _watch(web: aiohttp.ClientSession, target: str, changes: asyncio.Queue[tuple[str, list[str]]]) -> None:
    """Poll one target in every slot, at a moment of its own, so that targets do not all come at once."""
    from upkeep.areas.watch.follow import phase_of

    every = settings().maintenance.watch.every_seconds
    phase = phase_of(target, every)
    while True:
        now = datetime.now(UTC).timestamp()
        await asyncio.sleep((phase - now) % every)
        try:
            changed = await poll(web, target)
        except Exception:
            log.exception("the poll of %s left no sample", target)
            changed = ()
        if changed:
            log.info("%s: %s", target, ", ".join(f"{one.key} {one.was} → {one.becomes}" for one in changed))
            await changes.put((target, [one.key for one in changed]))
        await asyncio.sleep(every / 10)  # past the slot's own moment


async def poll(web: aiohttp.ClientSession, target: str) -> tuple[Change, ...]:
    """Ask one target everything at once, and write what was heard."""
    from upkeep.areas.watch.judge import calls

    config = settings()
    at = datetime.now(UTC)
    asked = calls(config)
    try:
        place = await _aside(lambda: functions_place(config.target(target).connections.functions))
    except ConfigError as error:
        heard = dict.fromkeys(asked, _nothing(str(error)))
    else:
        answers = await asyncio.gather(*(_ask(web, place, one) for one in asked))
        heard = dict(zip(asked, answers, strict=True))
    return await _aside(lambda: _follow(target, heard, at))


def _nothing(problem: str) -> Heard:
    from upkeep.areas.watch.judge import Heard

    return Heard(problem=problem)


async def _ask(web: aiohttp.ClientSession, place: Place, asked: Asked) -> Heard:
    from upkeep.areas.watch.judge import Heard
    from upkeep.wires.functions.ask import ask
    from upkeep.wires.functions.contract import request_body
    from upkeep.wires.functions.transport import WireError

    function, action = asked
    maintenance = settings().maintenance
    seconds, most = PATIENCE * maintenance.watch.every_seconds, maintenance.http.max_answer_bytes
    try:
        reply = await ask(web, place, function, request_body(function, action, period=None), seconds, most)
    except WireError as error:
        return _nothing(str(error))
    return Heard(reply.body, reply.milliseconds)


def functions_place(connection_id: str) -> Place:
    """Where the functions behind a Connection are. Raises ConfigError."""
    from upkeep.wires.functions.ask import Place

    found = connection(connection_id, "http")
    if not found.host:
        raise ConfigError(f"Connection {connection_id!r}: found no host, expected https://<project-ref>.supabase.co")
    base = found.host if "://" in found.host else f"{found.schema or 'http'}://{found.host}"
    return Place(f"{base.rstrip('/')}{f':{found.port}' if found.port else ''}", found.password or "")


def _follow(target: str, heard: dict[Asked, Heard], at: datetime) -> tuple[Change, ...]:
    from upkeep.areas.watch.follow import follow
    from upkeep.wires import database

    config = settings().maintenance
    with database.session(postgres(config.ledger.tasks), config.sql, read_only=False) as session:
        return follow(session, target, heard, at)


async def _house() -> None:
    """Samples become hours, and what is old goes, now and then."""
    while True:
        try:
            await _aside(_keep_house)
        except Exception:
            log.exception("what is old was not rolled up or taken away, it is later")
        await asyncio.sleep(HOUSE_SECONDS)


def _keep_house() -> None:
    from upkeep.areas.alerts import store
    from upkeep.areas.watch.follow import keep_house
    from upkeep.wires import database

    config, now = settings().maintenance, datetime.now(UTC)
    with database.session(postgres(config.ledger.tasks), config.sql, read_only=False) as session:
        keep_house(session, now)
    with database.session(postgres(config.ledger.tasks), config.sql, read_only=False) as session:
        store.forget(session, now - timedelta(days=config.watch.keep_alerts_days))


async def _aside(work: Callable[[], T]) -> T:
    """In a thread, from where Airflow's Connections can be asked for; the triggerer's loop goes on."""
    return await sync_to_async(work, thread_sensitive=False)()


#: What has changed in a target. The trigger's work is the ledger's rows; the asset only wakes.
ALERTS = Asset("upkeep_alerts", watchers=[AssetWatcher(name="upkeep_watch", trigger=WatchTrigger())])  # type: ignore[no-untyped-call]  # Airflow's
