"""The monthly look at every Connection and third party that config names (G29)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.flow.connections import connection, functions, postgres
from upkeep.flow.step import Step
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.areas.integrations.listing import Named
    from upkeep.ledger.write import Looked
    from upkeep.wires.net.address import Integration


class IntegrationsOperator(Step):
    """Reach each of them once, changing nothing, and hold what it says against config's limits."""

    ui_color = "#d5d9ea"

    @property
    def source(self) -> str:
        return "each Connection and address in config/maintenance.yaml"

    def describe(self, window: windows.Window) -> str:
        return "each Connection and address in config: a login and SELECT 1, a HEAD, a handshake, a look at a folder"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.integrations import look as judging
        from upkeep.areas.integrations.listing import connections, endpoints
        from upkeep.areas.integrations.probes import Patience, look_at_all
        from upkeep.areas.integrations.use import last_use
        from upkeep.ledger.read import earlier_samples
        from upkeep.wires import database

        config, now = settings().maintenance, datetime.now(UTC)
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            earlier = earlier_samples(session, window.target, self.task_id, now)
            used = last_use(session, window.target, now - judging.REACH)
        named = [_integration(one) for one in connections(config, window.target)]
        every = [*named, *self._functions(), *endpoints(config, window.target)]
        seen = look_at_all(every, Patience(config.http, config.sql))
        reached = {subject: at for (metric, subject), (_, at) in earlier.items() if metric == judging.REACHED}
        pairs = [(one, seen[one.name]) for one in every]
        return judging.judge(pairs, reached, used, config.integrations, datetime.now(UTC))

    def _functions(self) -> list[Integration]:
        """Each function behind the functions Connection, or why none can be asked."""
        from upkeep.areas.integrations.functions import functions as of_functions
        from upkeep.wires.net.address import Integration, Kind

        config = settings()
        connection_id = config.target(self.target).connections.functions
        try:
            send, key = functions(connection_id)
        except Exception as error:
            title = f"Functions (Connection {connection_id})"
            return [Integration("function", title, Kind.CALL, broken=_unusable(connection_id, error))]
        return of_functions(connection_id, send, key, config.maintenance.http)


def _integration(named: Named) -> Integration:
    """A Connection as an integration; one that cannot be read is broken, without a word of what it holds."""
    from upkeep.areas.integrations.listing import of_fields
    from upkeep.wires.net.address import Integration, Kind

    try:
        found = connection(named.connection_id, named.type)
        extra = found.extra_dejson
    except Exception as error:
        broken = _unusable(named.connection_id, error)
        return Integration(named.name, named.title, Kind.TLS, used=named.used, broken=broken)
    return of_fields(
        named,
        host=found.host or "",
        port=found.port,
        schema=found.schema or "",
        login=found.login or "",
        password=found.password or "",
        extra=extra,
        connect=postgres(named.connection_id, lambda _: found) if named.type == "postgres" else None,
    )


def _unusable(connection_id: str, error: Exception) -> str:
    """Our own words as they are; Airflow quotes a connection string that it cannot read, with the password in it."""
    if isinstance(error, ConfigError):
        return str(error)
    return f"Connection {connection_id!r}: found something that Airflow cannot read ({type(error).__name__})"
