"""``config/maintenance.yaml``: targets, ledger, windows, patience, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from upkeep.core.findings import Level
from upkeep.core.windows import CADENCES, Cadence
from upkeep.settings.approval import Approval, Freeze, Guards, Indexes, Optimise, Person, Role
from upkeep.settings.audit import Audit
from upkeep.settings.backups import Backups, Canary, Dumps, ManagedBackups
from upkeep.settings.base import EXPECTATIONS, METRICS, ConnectionId, FrozenModel, Name, exactly
from upkeep.settings.compliance import Compliance
from upkeep.settings.cost import Cost
from upkeep.settings.documents import Documents
from upkeep.settings.integrations import Integrations
from upkeep.settings.keys import Keys
from upkeep.settings.logs import Logs, Security
from upkeep.settings.monthly import Monthly
from upkeep.settings.patches import Checkout, Patches
from upkeep.settings.prometheus import Prometheus
from upkeep.settings.reindex import Reindex
from upkeep.settings.signing import Signing
from upkeep.settings.trends import Capacity, Trends
from upkeep.settings.values import Identifier
from upkeep.settings.watch import Watch

CadenceName = Literal["daily", "weekly", "monthly"]


class TargetConnections(FrozenModel):
    """Airflow Connections of one target, by capability."""

    functions: ConnectionId
    read: ConnectionId
    maintain: ConnectionId | None = None

    @field_validator("maintain")
    @classmethod
    def _of_its_own(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("read"):
            raise ValueError(f"found {value!r} for read and for maintain, expected a Connection for each")
        return value


class Target(FrozenModel):
    """One maintained system. Without ``backups``, ``dumps`` or ``managed_backups`` nothing is known of its backups,
    without ``checkout`` or ``storage_bytes`` nothing of its packages or its room; without ``canary`` no row is written.

    ``replicas`` are Connections to its standbys: what is read there counts as use of an index.

    ``system_identifier`` pins the server (`python -m upkeep check --print-identity`); without it nothing is changed.
    ``since`` is from when on its windows are due; without it, from the first window of each cadence. ``windows`` are
    those that it has at other times than all targets do. ``heartbeats`` are watchdogs that hear of each calendar
    window, by cadence.
    """

    title: str
    connections: TargetConnections
    replicas: tuple[ConnectionId, ...] = ()
    system_identifier: str | None = Field(default=None, pattern=r"^[0-9]{1,20}$")
    backups: Backups | None = None
    dumps: Dumps | None = None
    managed_backups: ManagedBackups | None = None
    canary: Canary | None = None
    storage_bytes: int | None = Field(default=None, gt=0, strict=True)
    checkout: Checkout | None = None
    since: AwareDatetime | None = None
    windows: Mapping[CadenceName, Cadence] = Field(default_factory=dict)
    heartbeats: Mapping[CadenceName, ConnectionId] = Field(default_factory=dict)

    @field_validator("canary")
    @classmethod
    def _login_of_its_own(cls, value: Canary | None, info: ValidationInfo) -> Canary | None:
        others = info.data.get("connections")
        if value and others and value.connection in (others.read, others.maintain):
            raise ValueError(f"found {value.connection!r} for canary and for another use, expected a Connection for it")
        return value

    def kept(self) -> Mapping[str, Backups | Dumps]:
        """Its kinds of backups whose files are read each day, by their sections' names."""
        found = {"backups": self.backups, "dumps": self.dumps}
        return {name: kind for name, kind in found.items() if kind is not None}


class Ledger(FrozenModel):
    """Airflow Connections to the ledger, one per role; ``identity`` pins which ledger it is.

    ``patience_seconds`` is how long an answer or a receipt is tried to be written while the ledger is away; the task
    of an approval ends after ten minutes in any case.
    """

    tasks: ConnectionId
    dashboard: ConnectionId
    owner: ConnectionId
    patience_seconds: float = Field(default=300, gt=0, le=300, strict=True)
    identity: str | None = Field(default=None, pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    signing: Signing = Field(default_factory=Signing)

    @field_validator("dashboard", "owner")
    @classmethod
    def _of_its_own(cls, value: str, info: ValidationInfo) -> str:
        if twice := [name for name, other in info.data.items() if other == value]:
            raise ValueError(
                f"found {value!r} for {info.field_name} and for {twice[0]}, expected a Connection for each"
            )
        return value


class Http(FrozenModel):
    """Patience with the functions (X4); times in seconds, sizes in bytes."""

    connect_timeout_seconds: float = Field(gt=0, le=60, strict=True)
    read_timeout_seconds: float = Field(gt=0, le=150, strict=True)
    total_timeout_seconds: float = Field(gt=0, le=600, strict=True)
    attempts: int = Field(ge=1, le=10, strict=True)
    max_answer_bytes: int = Field(ge=1_000, le=100_000_000, strict=True)


class Sql(FrozenModel):
    """The server's clocks for every statement (X11); seconds."""

    connect_timeout_seconds: int = Field(ge=2, le=60, strict=True)
    statement_timeout_seconds: float = Field(gt=0, le=3600, strict=True)
    lock_timeout_seconds: float = Field(gt=0, le=60, strict=True)


class Checks(FrozenModel):
    """Limits of single checks that are not metric bands."""

    long_query_minutes: float = Field(gt=0, allow_inf_nan=False, strict=True)
    largest_tables: int = Field(ge=1, le=1000, strict=True)
    schemas: tuple[Identifier, ...] = ()
    pool_usage_sql: Literal["none", "client_backends"]
    index_usage_rows: int = Field(ge=0, strict=True)
    disagreement_percent: float = Field(gt=0, le=1000, strict=True)
    latency_samples: int = Field(ge=2, le=50, strict=True)
    cold_after_minutes: float = Field(gt=0, allow_inf_nan=False, strict=True)


class MetricSource(FrozenModel):
    """Where a metric is found: the function, its action, and the dotted path in the answer (X5)."""

    function: str
    action: str
    path: str = Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")


class Verdict(FrozenModel):
    """Levels that turn the verdict task red."""

    red_on: frozenset[Level]

    @field_validator("red_on")
    @classmethod
    def _ok_is_never_red(cls, value: frozenset[Level]) -> frozenset[Level]:
        if Level.OK in value:
            raise ValueError("found 'ok', which cannot turn the verdict red, expected other levels")
        return value


class Maintenance(FrozenModel):
    """``config/maintenance.yaml``."""

    targets: Mapping[Name, Target] = Field(min_length=1)
    ledger: Ledger
    windows: Mapping[Name, Cadence]
    freezes: tuple[Freeze, ...] = ()
    people: Mapping[str, Person] = Field(default_factory=dict)
    roles: Mapping[Name, Role]
    approval: Approval
    monthly: Monthly
    guards: Guards
    optimise: Optimise
    trends: Trends
    capacity: Capacity
    cost: Cost | None = None
    indexes: Indexes
    reindex: Reindex
    patches: Patches
    http: Http
    sql: Sql
    checks: Checks
    logs: Logs
    security: Security
    keys: Keys
    compliance: Compliance
    audit: Audit
    metrics: Mapping[str, MetricSource]
    expectations: Mapping[str, MetricSource]
    verdict: Verdict
    documents: Documents
    integrations: Integrations
    prometheus: Prometheus = Field(default_factory=Prometheus)
    watch: Watch = Field(default_factory=Watch)

    @field_validator("metrics")
    @classmethod
    def _all_six(cls, value: Mapping[str, MetricSource]) -> Mapping[str, MetricSource]:
        return exactly(value, METRICS)

    @field_validator("expectations")
    @classmethod
    def _all_four(cls, value: Mapping[str, MetricSource]) -> Mapping[str, MetricSource]:
        return exactly(value, EXPECTATIONS)

    @field_validator("windows")
    @classmethod
    def _known_cadences(cls, value: Mapping[str, Cadence]) -> Mapping[str, Cadence]:
        if set(value) != set(CADENCES):
            raise ValueError(f"found {sorted(value)}, expected daily, weekly and monthly")
        return value

    @field_validator("windows")
    @classmethod
    def _backups_are_verified_in_time(cls, value: Mapping[str, Cadence], info: ValidationInfo) -> Mapping[str, Cadence]:
        # The step takes a minute more; what is told after the window is told too late.
        for name, target in info.data.get("targets", {}).items():
            of = f"targets.{name}.windows." if "daily" in target.windows else ""
            length = (target.windows.get("daily") or value["daily"]).length_minutes
            needed = {one: kind.verify_timeout_seconds for one, kind in target.kept().items()}
            if sum(needed.values()) > 60 * (length - 1):
                named = " and ".join(
                    f"targets.{name}.{one}.verify_timeout_seconds ({it:g})" for one, it in needed.items()
                )
                raise ValueError(f"found {of}daily.length_minutes {length}, expected a minute more than {named}")
        return value

    @field_validator("people")
    @classmethod
    def _one_identity_each(cls, value: Mapping[str, Person]) -> Mapping[str, Person]:
        ids = [person.id or name for name, person in value.items()]
        shells = [shell for person in value.values() for shell in person.shell]
        for said, names in (("id", ids), ("shell", shells)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"found the {said} {twice[0]!r} of two people, expected one person behind each")
        return value

    @field_validator("roles")
    @classmethod
    def _known_people(cls, value: Mapping[str, Role], info: ValidationInfo) -> Mapping[str, Role]:
        people = info.data.get("people", {})
        for name, role in value.items():
            for said, users in (("users", role.users), ("deputies", role.deputies)):
                if unknown := sorted(set(users) - set(people)):
                    raise ValueError(f"found {unknown} in {name}.{said}, expected names from people: {sorted(people)}")
        return value

    @field_validator("approval")
    @classmethod
    def _known_roles(cls, value: Approval, info: ValidationInfo) -> Approval:
        roles = info.data.get("roles", {})
        for kind, needed in value.roles.items():
            if unknown := sorted(set(needed) - set(roles)):
                raise ValueError(f"found {unknown} in roles.{kind}, expected names from roles: {sorted(roles)}")
        return value

    @field_validator("monthly")
    @classmethod
    def _roles_that_sign(cls, value: Monthly, info: ValidationInfo) -> Monthly:
        roles = info.data.get("roles", {})
        if unknown := sorted(value.roles - set(roles)):
            raise ValueError(f"found {unknown}, expected names from roles: {sorted(roles)}")
        own = {f"targets.{name}.": target.windows for name, target in info.data.get("targets", {}).items()}
        for of, windows in {"": info.data.get("windows", {}), **own}.items():
            length = windows["monthly"].length_minutes if "monthly" in windows else 24 * 60
            if (most := max(value.sign_on_minutes, value.attest_minutes)) >= length:
                # Silence would push the plan out of the window.
                raise ValueError(
                    f"found {most} minutes to answer, expected less than {of}windows.monthly has ({length})"
                )
        return value

    def cadences(self, target: str) -> Mapping[str, Cadence]:
        """The windows of a target: its own, and those of all targets where it has none."""
        return dict(self.windows) | {str(name): own for name, own in self.targets[target].windows.items()}

    def holders(self, role: str) -> frozenset[str]:
        """The people who hold a role now, deputies among them."""
        found = self.roles.get(role)
        return frozenset((*found.users, *found.deputies)) if found else frozenset()

    def person_by_id(self, user_id: str) -> str | None:
        """The one name of a person by what the auth manager calls them; None when config knows nobody."""
        return next((name for name, person in self.people.items() if (person.id or name) == user_id), None)

    def requester(self, name: str | None) -> frozenset[str] | None:
        """Who counts as having asked for a run: nobody for the schedule, one person, or None for everybody.

        Airflow names the Airflow user, or for a run started from a shell the OS user; a name that ``people`` does not
        know might be anybody.
        """
        if name is None:
            return frozenset()
        known = [person for person, about in self.people.items() if name == person or name in about.shell]
        return frozenset(known) if len(known) == 1 else None
