"""The age of API keys: what each form of key tells, when it is overdue, and that nothing else of it is ever said."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sandbox.twin.keys import legacy_key, secret_key
from upkeep.areas.security.keys import judged
from upkeep.core.findings import Finding, Level, Sample
from upkeep.settings.base import ROOT
from upkeep.settings.keys import Keys
from upkeep.settings.load import settings

NOW = datetime(2026, 12, 6, 2, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "upkeep_functions"
SECRET = "S3CRETMARKER"
SHIPPED = settings(ROOT / "config").maintenance.keys
MALFORMED = f"api_key:{NAME}:form"


def token(content: object) -> str:
    """A JWT with this in its middle, and a signature that nobody checks."""
    middle = content if isinstance(content, bytes) else json.dumps(content).encode()
    return f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(middle).decode().rstrip('=')}.{SECRET}"


def jwt(issued: timedelta | None = DAY, left: timedelta | None = 3000 * DAY, **others: Any) -> str:
    """A legacy key that was issued so long ago and has so much left."""
    times = {}
    if issued is not None:
        times["iat"] = (NOW - issued).timestamp()
    if left is not None:
        times["exp"] = (NOW + left).timestamp()
    return token({"iss": "supabase", "role": "service_role", **times, **others})


def look(key: str, **config: Any) -> dict[str, Finding]:
    """Findings by what they are about, each of which must name the guide's item and never the key."""
    findings, _ = judged(NAME, key, Keys(**{**SHIPPED.model_dump(), **config}), NOW)
    for finding in findings:
        assert finding.guide == "G80"
        said = repr(finding)
        assert SECRET not in said
        assert not [part for part in (key, *key.split(".")) if len(part) > 8 and part in said]
    return {finding.key.rpartition(":")[2]: finding for finding in findings}


@pytest.mark.guide("G80", "fires", "silent")
@pytest.mark.parametrize(
    ("left", "level", "said"),
    [
        (31 * DAY, Level.OK, "expires on 2027-01-06, in 31 days"),
        (30 * DAY, Level.WARNING, "expires on 2027-01-05, in 30 days"),
        (timedelta(seconds=1), Level.WARNING, "expires on 2026-12-06, in 0 days"),
        (timedelta(0), Level.CRITICAL, "expired on 2026-12-06 02:00 UTC"),
        (None, Level.ADVISORY, "never expires"),
    ],
)
def test_the_end_of_a_legacy_key(left: timedelta | None, level: Level, said: str) -> None:
    """Ok while it is far, a warning when it is near, critical once it is over; a key without one says so."""
    finding = look(jwt(left=left))["expiry"]
    assert finding.level is level
    assert finding.detail.startswith(f"legacy key (JWT) of role service_role: {said}")
    assert bool(finding.remedy) is (level is not Level.OK)


@pytest.mark.guide("G80", "fires", "silent")
@pytest.mark.parametrize(
    ("days", "level"),
    [(0, Level.OK), (90, Level.OK), (91, Level.ADVISORY), (180, Level.ADVISORY), (181, Level.WARNING)],
)
def test_a_key_is_overdue_after_the_days_of_config(days: int, level: Level) -> None:
    """A legacy key by its own word; overdue twice over is a warning."""
    finding = look(jwt(issued=days * DAY))["age"]
    assert (finding.level, f"{days} days ago" in finding.detail) == (level, True)


@pytest.mark.guide("G80", "fires", "silent")
@pytest.mark.parametrize(
    ("made", "level"),
    [
        (date(2026, 9, 8), Level.OK),
        (date(2026, 9, 7), Level.ADVISORY),  # 90 days and the hours of today
        (date(2026, 6, 10), Level.ADVISORY),
        (date(2026, 6, 9), Level.WARNING),
    ],
)
def test_a_key_without_a_date_is_overdue_by_the_day_that_config_says(made: date, level: Level) -> None:
    """Config knows the day and not the hour: it counts from its midnight."""
    found = look(secret_key(), rotated={NAME: made})
    assert set(found) == {"age"}
    assert found["age"].level is level
    assert found["age"].detail.startswith(f"sb_secret_… key: issued on {made}")


@pytest.mark.guide("G80", "fires", "silent")
@pytest.mark.parametrize("key", [secret_key(), "sb_publishable_S3CRETMARKER"], ids=["secret", "publishable"])
def test_the_age_of_a_key_without_a_date_is_not_known_until_config_says_it(key: str) -> None:
    """An advisory that names the setting; it goes when somebody writes the day down."""
    found = look(key)
    assert set(found) == {"age"}
    assert found["age"].level is Level.ADVISORY
    assert "age not known" in found["age"].detail
    assert found["age"].remedy == "Say in config when it was made: keys.rotated.upkeep_functions."
    assert look(key, rotated={NAME: date(2026, 11, 1)})["age"].level is Level.OK
    assert look(key, rotated={"another": date(2026, 11, 1)})["age"].level is Level.ADVISORY


@pytest.mark.guide("G80", "fires", "silent")
def test_a_key_that_is_older_than_its_rotation_is_the_old_one() -> None:
    """Somebody made a new key and this Connection still has the old one; the key's own age counts."""
    found = look(jwt(issued=200 * DAY), rotated={NAME: date(2026, 11, 1)})
    assert found["rotated"].level is Level.WARNING
    assert found["rotated"].detail == ("rotated on 2026-11-01 by config, but the key in use was issued on 2026-05-20")
    assert found["age"].level is Level.WARNING
    assert set(look(jwt(issued=35 * DAY), rotated={NAME: date(2026, 11, 1)})) == {"expiry", "age"}


@pytest.mark.guide("G80", "fires", "silent")
def test_a_platform_whose_clock_is_a_little_ahead_has_a_young_key() -> None:
    """Up to five minutes are the clocks' difference and no age; a second more is a day that is still to come."""
    ahead = timedelta(minutes=5)
    findings, samples = judged(NAME, jwt(issued=-ahead), SHIPPED, NOW)
    assert [(finding.key.rpartition(":")[2], finding.level) for finding in findings][1:] == [("age", Level.OK)]
    assert "0 days ago" in findings[1].detail
    assert samples == (Sample("api_key_age", 0.0, "days", NAME),)
    findings, samples = judged(NAME, jwt(issued=-ahead - timedelta(seconds=1)), SHIPPED, NOW)
    assert (findings[1].level, samples) == (Level.UNKNOWN, ())
    assert "which is still to come" in findings[1].detail


@pytest.mark.guide("G80", "fires")
@pytest.mark.parametrize("key", [jwt(issued=-2 * DAY), secret_key()], ids=["by itself", "by config"])
def test_a_day_that_is_still_to_come_is_unknown(key: str) -> None:
    """A wrong clock or a typing mistake; it has no age either."""
    config = Keys(**{**SHIPPED.model_dump(), "rotated": {NAME: date(2026, 12, 8)}})
    findings, samples = judged(NAME, key, config, NOW)
    age = {finding.key: finding for finding in findings}[f"api_key:{NAME}:age"]
    assert (age.level, samples) == (Level.UNKNOWN, ())
    assert "issued on 2026-12-08, which is still to come" in age.detail


@pytest.mark.guide("G80", "fires")
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "has no password"),
        ("S3CRETMARKER", "neither a JWT nor begins with"),
        (f" sb_secret_{SECRET}", "neither a JWT nor begins with"),
        (f"sb_secret_{SECRET}\n", "neither a JWT nor begins with"),
        (f"sb_secret_{SECRET} {SECRET}", "neither a JWT nor begins with"),
        (jwt() + "\n", "neither a JWT nor begins with"),
        (jwt() + ".more", "neither a JWT nor begins with"),
        ("eyJhbGciOiJIUzI1NiJ9.S3CRETMARKER.S3CRETMARKER", "its middle part is no JSON"),
        (token(b"\xff\xfe\xfd"), "its middle part is no JSON"),
        (token(b"[" * 100_000), "its middle part is no JSON"),
        (token([SECRET]), "its middle part is no JSON object"),
        (token({"iat": SECRET}), "its iat is no time"),
        (token({"exp": True}), "its exp is no time"),
        (token({"exp": 10**30}), "its exp is no time"),
        (token(b'{"exp": NaN}'), "its exp is no time"),
        (jwt(issued=-DAY, left=-DAY), "its exp is not after its iat"),
    ],
    ids=range(16),
)
def test_what_is_no_key_is_said_and_not_quoted(key: str, said: str) -> None:
    """One warning; however the text is broken, none of it is in the finding."""
    found = look(key)
    assert set(found) == {"form"}
    assert (found["form"].key, found["form"].level) == (MALFORMED, Level.WARNING)
    assert said in found["form"].detail


@pytest.mark.guide("G80", "holds")
def test_only_the_two_times_and_the_role_leave_a_key() -> None:
    """A role that is no word is left out, like all that a key says beside."""
    found = look(jwt(role=f"{SECRET} <b>", email=SECRET, ref=SECRET))
    assert all("legacy key (JWT): " in finding.detail for finding in found.values())
    assert look(jwt(role=["service_role"]))["age"].detail.startswith("legacy key (JWT): ")


def test_a_key_without_times_has_an_age_by_config_alone() -> None:
    """A JWT need not say when it was issued."""
    assert "age not known" in look(jwt(issued=None))["age"].detail
    assert look(jwt(issued=None), rotated={NAME: date(2026, 11, 1)})["age"].level is Level.OK


def test_a_key_as_the_platform_issues_it_is_young_and_ends_in_ten_years() -> None:
    """The sandbox mints legacy keys as Supabase does."""
    findings, samples = judged(NAME, legacy_key("x" * 32, now=NOW - 10 * DAY), SHIPPED, NOW)
    assert [(finding.level, finding.subject) for finding in findings] == [
        (Level.OK, "End of the API key in upkeep_functions"),
        (Level.OK, "Age of the API key in upkeep_functions"),
    ]
    assert samples == (Sample("api_key_age", 10.0, "days", NAME),)
