"""Backups that Supabase keeps itself (G99): what its Management API lists, and nothing that it does not.

``GET /v1/projects/{ref}/database/backups`` lists backups with their state. That point-in-time recovery is switched on
says nothing of whether there is one: only a completed backup counts. Nobody is handed the bytes, so that integrity is
not collected, and a restoration is a person's deed, which the monthly attestation tells of.

Source: Supabase's documentation, "Management API", "Database Backups".
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from pydantic import BaseModel, ValidationError

from upkeep.areas.backups.judging import NOT_COVERED, age
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected, Sample, Topic
from upkeep.core.units import utc
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import ManagedBackups
from upkeep.settings.maintenance import Http
from upkeep.wires.net.address import Address, http_address
from upkeep.wires.net.http import OpenConnection, Unreachable
from upkeep.wires.net.parallel import CancelScope, side_by_side

#: Of the list at most so many bytes are read.
MOST_BYTES = 1_000_000
COMPLETED, BROKEN = "COMPLETED", ("FAILED", "CANCELLED", "REMOVED", "ARCHIVED")
GUIDE = (
    "Supabase keeps these backups and hands out no bytes of them. A person proves one: in the dashboard (Database, "
    "Backups) restore the newest into a new project; look whether tables, newest rows, roles and extensions are there, "
    "and how long it took; delete the project; and say so in the monthly attestation of recovery. Dumps of your own "
    "(targets.<target>.dumps) are restored by Upkeep."
)
_TOPIC = Topic("backups:managed", "Newest backup that Supabase keeps", "G99")


class _Listed(BaseModel):
    """One backup."""

    status: str
    inserted_at: datetime
    is_physical_backup: bool = False


class _Physical(BaseModel):
    """From when to when recovery to a moment is possible, seconds since the epoch."""

    earliest_physical_backup_date_unix: int | None = None
    latest_physical_backup_date_unix: int | None = None


class Listing(BaseModel):
    """The answer; ``backups`` may be empty or null while the flags are true."""

    pitr_enabled: bool = False
    backups: list[_Listed] | None = None
    physical_backup_data: _Physical | None = None

    def completed(self) -> list[datetime]:
        """When each completed backup was made, the newest last. Where none is listed with its state, the newest moment
        that can be recovered to counts as one; beside one that failed it proves nothing.
        """
        if self.backups:
            return sorted(_in_utc(one.inserted_at) for one in self.backups if one.status == COMPLETED)
        physical = self.physical_backup_data and self.physical_backup_data.latest_physical_backup_date_unix
        return [datetime.fromtimestamp(physical, UTC)] if physical else []


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def inspect(sources: Sources) -> LookResult:
    """What Supabase lists of a target that has its section of config."""
    config = sources.config.target(sources.target).managed_backups
    if config is None:
        return LookResult(())
    found = sources.connection(config.connection, "http")
    try:
        where = http_address(found.host or "", found.port, found.schema or "")
        content = ask(where, config.project, found.password or "", sources.config.maintenance.http)
        listing = Listing.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where_in_it = ".".join(str(part) for part in first["loc"]) or "its body"
        return LookResult((_not_collected(f"its answer is not as documented: {where_in_it}: {first['msg']}"),))
    except (Unreachable, ValueError, OverflowError) as why:
        return LookResult((_not_collected(f"Connection {config.connection}: {why}"),))
    return judge(listing, config, datetime.now(UTC))


def restore(sources: Sources) -> LookResult:
    """Nothing can be restored by Upkeep. Raises NotCollected where these backups are configured."""
    if sources.config.target(sources.target).managed_backups is not None:
        raise NotCollected(GUIDE)
    return LookResult(())


def ask(where: Address, project: str, token: str, http: Http) -> bytes:
    """The list of a project. Raises Unreachable; no message holds the token."""
    if not where.encrypted and not where.local:
        raise Unreachable("its host is http://, over which no token is sent; expected https://api.supabase.com")
    if not token:
        raise Unreachable("found no password, expected an access token of Supabase")
    path = f"{where.path.rstrip('/')}/v1/projects/{project}/database/backups"
    full = Address(where.scheme, where.host, where.port, path)
    jobs = {project: partial(_asked, full, token, http)}
    late = f"no answer within {http.total_timeout_seconds:g} s (config: http.total_timeout_seconds)"
    said = side_by_side(jobs, http.total_timeout_seconds, 1).get(project, late)
    if isinstance(said, str):
        raise Unreachable(said)
    return said


def _asked(where: Address, token: str, http: Http, ending: CancelScope) -> bytes | str:
    try:
        with OpenConnection(where, http, ending) as line:
            if where.encrypted:
                line.secure()
            answer = line.request("GET", MOST_BYTES, token)
    except Unreachable as trouble:
        return str(trouble)
    if answer.status in (401, 403):
        return f"answered {answer.status}: the token is not valid, or may not read this project's backups"
    if answer.status != 200:
        return f"answered {answer.status}, expected 200"
    return answer.body if len(answer.body) <= MOST_BYTES else f"a list of more than {MOST_BYTES:,} bytes"


def _not_collected(why: str) -> Finding:
    remedy = (
        "Correct targets.<target>.managed_backups and its Connection; tokens are made in Supabase's account settings."
    )
    return _TOPIC.part("completion").finding(Level.UNKNOWN, f"not collected: {why}", "a list of backups", remedy)


def judge(listing: Listing, config: ManagedBackups, now: datetime) -> LookResult:
    """Findings and samples of a list."""
    completed = listing.completed()
    if not completed:
        though = (
            ", though point-in-time recovery is said to be on: a flag proves nothing" if listing.pitr_enabled else ""
        )
        remedy = "See Database, Backups in Supabase's dashboard and the project's plan; make a dump now (pg_dump)."
        none = f"Supabase lists no completed backup{though}"
        return LookResult((_TOPIC.part("completion").finding(Level.CRITICAL, none, "a completed backup", remedy),))
    newest = completed[-1]
    findings = [
        _TOPIC.part("completion").finding(
            Level.OK, f"{len(completed)} completed, the newest {utc(newest)}; {NOT_COVERED}", "a completed backup"
        ),
        age(_TOPIC.part("age", "Age of the newest backup that Supabase keeps"), newest, config, now, "made"),
        Topic("backups:managed:integrity", "Bytes of the newest backup that Supabase keeps", "G100").finding(
            Level.UNKNOWN,
            "not collected: Supabase hands out no bytes of its backups, and does not tell what room is left for them",
            "bytes that can be read",
            GUIDE,
        ),
        *_unfinished(listing, newest),
    ]
    return LookResult(tuple(findings), (Sample("managed_backup_age", (now - newest).total_seconds() / 3600, "h"),))


def _unfinished(listing: Listing, newest: datetime) -> list[Finding]:
    """The newest of those that are listed after the newest completed one."""
    later = [one for one in listing.backups or () if one.status != COMPLETED and _in_utc(one.inserted_at) > newest]
    if not later:
        return []
    last = max(later, key=lambda one: _in_utc(one.inserted_at))
    level = Level.WARNING if last.status in BROKEN else Level.ADVISORY
    detail = f"listed at {utc(_in_utc(last.inserted_at))} as {last.status[:40]}"
    topic = _TOPIC.part("unfinished", "A newer backup of Supabase's that is not complete")
    return [topic.finding(level, detail, f"each backup becomes {COMPLETED}", "Ask Supabase's support where it failed.")]
