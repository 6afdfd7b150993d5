"""Every Connection and address that config names, as integrations. Pure; Connections' fields are handed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Connect
from upkeep.wires.net.address import PORTS, Address, Integration, ProbeKind, address, http_address

#: Values of a Connection's extra that say nothing secret, and whose words messages need.
_PLAIN = frozenset({"sslmode", "sslrootcert", "connect_timeout", "application_name", "verify", "timeout"})


@dataclass(frozen=True)
class ConfiguredConnection:
    """A Connection that config names: by which setting, of which type, and its kind of use in the ledger."""

    name: str
    connection_id: str
    type: str
    used: str = ""

    @property
    def title(self) -> str:
        """How a report calls it."""
        return f"Connection {self.connection_id} ({self.name})"


def connections(config: Maintenance, target: str) -> tuple[ConfiguredConnection, ...]:
    """The Connections that tasks have. ``ledger.owner`` is not among them: no task may have that login."""
    about = config.targets[target]
    found = [
        ConfiguredConnection("functions", about.connections.functions, "http", "functions"),
        ConfiguredConnection("read", about.connections.read, "postgres", "read"),
    ]
    if about.connections.maintain is not None:
        found.append(ConfiguredConnection("maintain", about.connections.maintain, "postgres", "maintain"))
    found += [ConfiguredConnection(f"replica {name}", name, "postgres") for name in about.replicas]
    found.append(ConfiguredConnection("ledger.tasks", config.ledger.tasks, "postgres", "ledger"))
    found.append(ConfiguredConnection("ledger.dashboard", config.ledger.dashboard, "postgres"))
    if about.managed_backups is not None:
        found.append(ConfiguredConnection("managed_backups", about.managed_backups.connection, "http", "backups"))
    if config.approval.slack is not None:
        found.append(ConfiguredConnection("approval.slack", config.approval.slack, "slackwebhook"))
    return tuple(found)


def endpoints(config: Maintenance, target: str) -> Iterator[Integration]:
    """What config names without a Connection: the packages' registry, the backups' folders, further third parties."""
    about = config.targets[target]
    if about.checkout is not None:
        registry = address(about.checkout.registry)
        yield Integration(
            "checkout.registry", f"Registry of packages {registry}", ProbeKind.HTTP, registry, used="registry"
        )
    folders = {"backups.base": about.backups.base, "backups.wal": about.backups.wal} if about.backups else {}
    for name, folder in (folders | ({"dumps.folder": about.dumps.folder} if about.dumps else {})).items():
        yield Integration(name, f"Folder {folder} ({name})", ProbeKind.FOLDER, folder=folder, used="backups")
    for one in config.integrations.endpoints:
        where = address(one.url)
        title = f"{one.name} ({where})"
        yield Integration(
            f"endpoint {one.name}", title, ProbeKind.HTTP, where, ca=one.ca, expect_status=one.expect_status
        )


def of_fields(
    named: ConfiguredConnection,
    *,
    host: str = "",
    port: int | None = None,
    schema: str = "",
    login: str = "",
    password: str = "",
    extra: Mapping[str, Any] | None = None,
    connect: Connect | None = None,
) -> Integration:
    """An integration of a Connection's fields; one whose address is none is broken, and says so without showing it."""
    extra = extra or {}
    secrets = (login, password, *_secrets_of_extra(extra), *_secrets_of_url(host))
    ca = next((Path(extra[key]) for key in ("sslrootcert", "verify") if _is_path(extra.get(key))), None)
    kind = {"postgres": ProbeKind.POSTGRES, "slackwebhook": ProbeKind.TLS}.get(named.type, ProbeKind.HTTP)
    broken, where = "", None
    try:
        where = _of_postgres(host, port) if kind is ProbeKind.POSTGRES else _of_http(named.type, host, port, schema)
    except ValueError as error:
        broken = f"Connection {named.connection_id!r}: {error}"
    return Integration(
        named.name,
        named.title,
        kind,
        where,
        connect=connect,
        ca=ca,
        used=named.used,
        secrets=secrets,
        broken=broken,
    )


def _of_http(kind: str, host: str, port: int | None, schema: str) -> Address:
    """As the hooks of Airflow's http and slack providers put it together."""
    if kind == "slackwebhook":
        return http_address(host or "hooks.slack.com", None, schema or "https")
    return http_address(host, port, schema)


def _of_postgres(host: str, port: int | None) -> Address | None:
    """None for a socket in the file system and for several hosts, of which the driver chooses one."""
    if not host or host.startswith(("/", "@")) or "," in host:
        return None
    return Address("postgres", host, port or PORTS["postgres"])


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _secrets_of_extra(extra: Mapping[str, Any]) -> Iterator[str]:
    for key, value in extra.items():
        if isinstance(value, Mapping):
            yield from _secrets_of_extra(value)
        elif isinstance(value, str) and key not in _PLAIN:
            yield value


def _secrets_of_url(host: str) -> Iterator[str]:
    """User name, password and query of a host that is a URL."""
    try:
        parts = urlsplit(host)
    except ValueError:
        yield host
        return
    user, _, _ = parts.netloc.rpartition("@")
    for part in (user, parts.query, parts.fragment, *user.split(":")):
        if part:
            yield part
            yield unquote(part)
