"""Airflow Connections turned into what the domain wants: a way to connect, a way to send."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, quote

from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Connection

    from upkeep.gate.signatures.keys import Signer
    from upkeep.wires.functions.transport import Send


#: Secrets backends that answer from Airflow's own store.
_STORES = ("ExecutionAPISecretsBackend", "MetastoreBackend")


class NoConnectionError(ConfigError):
    """Nothing is there under this name: neither in the environment nor in a secrets backend nor in Airflow's store."""


def connection(connection_id: str, kind: str) -> Connection:
    """The Connection of a name from config.

    Raises NoConnectionError when it is absent and ConfigError when it is of another type.
    """
    try:
        found = BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        raise NoConnectionError(
            f"Connection {connection_id!r}: found none; expected one of type {kind}, in the environment "
            f"(AIRFLOW_CONN_{connection_id.upper()}), a secrets backend or Admin → Connections"
        ) from None
    if found.conn_type != kind:
        raise ConfigError(f"Connection {connection_id!r}: found type {found.conn_type!r}, expected {kind!r}")
    return found


def trusted_connection(connection_id: str, kind: str = "postgres") -> Connection:
    """A Connection from the environment or a secrets backend (docs/gate.md, rule 8).

    Raises ConfigError for one from Airflow's own store, which an ``op`` may edit.
    """
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    for backend in ensure_secrets_backend_loaded():
        if type(backend).__name__ in _STORES:
            continue
        found: Any = backend.get_connection(connection_id)
        if found is not None:
            if found.conn_type != kind:
                raise ConfigError(f"Connection {connection_id!r}: found type {found.conn_type!r}, expected {kind!r}")
            return cast("Connection", found)
    raise ConfigError(
        f"Connection {connection_id!r}: found none in the environment (AIRFLOW_CONN_{connection_id.upper()}) or a "
        "secrets backend, expected it there: one from Airflow's own store, which operators may edit, is not trusted"
    )


def trusted(connection_id: str) -> Callable[[], psycopg.Connection[Any]]:
    """Like ``postgres``, for the ledger and for whatever changes a target."""
    return postgres(connection_id, trusted_connection)


def signer() -> Signer:
    """The key that this deployment signs the ledger's rows with (docs/gate.md, rule 11). Raises ConfigError."""
    from upkeep.gate.signatures import keys

    signing = settings().maintenance.ledger.signing
    keys.pinned(signing)
    return keys.signer(signing, trusted_connection(signing.connection, "generic").password, datetime.now(UTC))


def _any_postgres(connection_id: str) -> Connection:
    return connection(connection_id, "postgres")


def postgres(
    connection_id: str, find: Callable[[str], Connection] = _any_postgres, more: Mapping[str, int] | None = None
) -> Callable[[], psycopg.Connection[Any]]:
    """A function that opens a connection through PostgresHook, under a name the DBA recognises.

    ``more`` is parameters of libpq beside ours; the Connection's own go before both.
    """

    def connect() -> psycopg.Connection[Any]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        found = find(connection_id)
        patience = {"connect_timeout": settings().maintenance.sql.connect_timeout_seconds}
        found.extra = json.dumps({**patience, **(more or {}), "application_name": "upkeep", **found.extra_dejson})
        opened: Any = PostgresHook(connection=found).get_conn()
        return cast("psycopg.Connection[Any]", opened)

    return connect


def archive_sas(connection_id: str) -> str:
    """The SAS of a Connection to Azure Blob Storage (docs/gate.md, rule 8), kept out of logs. Raises ConfigError.

    An account's key is not taken: whoever has it may delete.
    """
    from airflow.sdk.log import mask_secret

    from upkeep.wires.sas import sas_text

    extra = trusted_connection(connection_id, "wasb").extra_dejson
    try:
        found = sas_text(str(extra.get("sas_token") or ""))
    except ValueError as why:
        raise ConfigError(f"Connection {connection_id!r}: extra.sas_token: {why}") from None
    signature = parse_qs(found)["sig"][0]
    for spelling in (found, signature, quote(signature, safe=""), *re.findall("sig=([^&]+)", found)):
        mask_secret(spelling)
    return found


def replicas(target: str) -> dict[str, Callable[[], psycopg.Connection[Any]]]:
    """The ways to a target's standbys, by Connection id."""
    return {name: postgres(name) for name in settings().target(target).replicas}


def functions(connection_id: str) -> tuple[Send, str]:
    """How to send a POST to the functions behind a Connection, and its API key."""
    from airflow.providers.http.hooks.http import HttpHook

    found = connection(connection_id, "http")
    if not found.host:
        raise ConfigError(f"Connection {connection_id!r}: found no host, expected https://<project-ref>.supabase.co")
    if found.login:
        raise ConfigError(f"Connection {connection_id!r}: found a login, expected the API key as password alone")
    return HttpHook(method="POST", http_conn_id=connection_id).run, found.password or ""
