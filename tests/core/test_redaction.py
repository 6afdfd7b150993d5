"""What is left of a text that goes to the ledger: no secret, nobody's address, and every name of ours."""

from __future__ import annotations

import json

import pytest

from upkeep.core.redaction import body, people, redacted, secrets, tokens

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.CANARY-sig_0"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nCANARYcanary\n-----END RSA PRIVATE KEY-----"

#: By kind, what holds a canary: told by its shape alone.
SHAPES = {
    "JWT": f"token was {JWT}.",
    "JWT without a signature": "eyJhbGciOiJub25lIn0.eyJDQU5BUlkiOjF9.",
    "Supabase's key": "sb_secret_CANARY0123456789",
    "Supabase's access token": "sbp_" + "0f" * 20,
    "AWS": "AKIACANARY0123456789"[:20],
    "GitHub": "ghp_" + "CANARY" * 6,
    "Slack": "xoxb-CANARY-0123456789",
    "Slack's webhook": "https://hooks.slack.com/services/T0/B0/CANARY",
    "Stripe": "sk_live_CANARY0123456789",
    "PEM": PEM,
    "PEM without an end": PEM[:50],
    "SCRAM verifier": "SCRAM-SHA-256$4096:c2FsdA==$CANARY0=:CANARY1=",
    "a URL's password": "postgres://app:CANARY%40x@db.example.com:5432/postgres",
    "a URL's password with letters of its own": "https://bob:CAN:ARY+$1@host/path",
    "Bearer": "Authorization: Bearer CANARY.0123456789",
    "Basic": "authorization: basic Q0FOQVJZOnBhc3N3b3Jk",
}

#: Told by the word before it.
WORDS = {
    "conninfo": "host=db user=app password=CANARY dbname=x",
    "conninfo, quoted": "password='CANARY CANARY' dbname=x",
    "conninfo, with a dollar": "password=$CANARY",
    "environment": "SUPABASE_SERVICE_ROLE_KEY=CANARY and DB_PASSWORD=CANARY",
    "query": "GET /x?apikey=CANARY&access_token=CANARY",
    "JSON in a text": 'answered {"client_secret": "CANARY"}',
    "SQL": "ALTER ROLE app PASSWORD 'CANARY'",
    "colon": "password: CANARY123",
}

#: People's.
PEOPLE = {
    "e-mail": "no account canary.x+y@mail.example.org, sorry",
    "IPv4": "refused for 198.51.100.77:443",
    "IPv6": "refused for 2001:db8:77::ca",
    "a key's value": 'duplicate key value violates "t_key" DETAIL: Key (name)=(CANARY) already exists.',
    "a row": "DETAIL: Failing row contains (1, CANARY, (CANARY)).",
    "a value": 'invalid input syntax for type integer: "CANARY"',
}
LEFT = ("CANARY", "canary", "Q0FOQVJZ", "DQU5BUlk", "0f0f0f", "198.51", "2001:db8", "CAN:ARY")

#: Names, statements and sentences in which there is nothing to hide.
KEPT = (
    "table public.api_key has 3 rows",
    "public.api_key: 3 rows; role token_reader",
    "the secret: none is known, the token: expired",
    "password_encryption=md5 undoes it",
    "2026-11-28 12:34:56.789 UTC, 12:34:56",
    "127.0.0.1, 10.0.0.7, ::1 and fe80::1; 0.0.0.0/0 may come",
    "lodash@4.17.21 and pkg@1.0.0-beta.rc",
    "col::text, a::date, 17.10, 9.99 %",
    "ALTER ROLE x PASSWORD ?, password = $1, token = NULL",
    "basic authentication, bearer authentication",
    'DROP INDEX CONCURRENTLY "public"."token"',
    "postgres://db.example.com:5432/postgres",
    "0f4c9a1e6b7d8c2f0f4c9a1e6b7d8c2f0f4c9a1e6b7d8c2f0f4c9a1e6b7d8c2f",
)


@pytest.mark.parametrize("text", (SHAPES | WORDS | PEOPLE).values(), ids=(SHAPES | WORDS | PEOPLE).keys())
def test_no_canary_is_left(text: str) -> None:
    """In a text, in a structure and in an answer; doing it again changes nothing more."""
    for around in ("{}", "before {} behind", "«{}»", "a\n{}\nb"):
        left = people(around.format(text))
        assert not [one for one in LEFT if one in left], left
        assert people(left) == left
    answer = json.dumps({"message": text, "deep": [{"k": text}], "n": 1.5})
    assert not [one for one in LEFT if one in body(answer)]
    assert json.loads(body(answer))["n"] == 1.5


@pytest.mark.parametrize("text", (SHAPES | WORDS).values(), ids=(SHAPES | WORDS).keys())
def test_secrets_are_none_of_the_points_of_a_step_about_people(text: str) -> None:
    """Where e-mail and IP addresses stay, secrets do not."""
    assert not [one for one in LEFT if one in secrets(text)]
    about = "6 from 198.51.100.77, bob@example.org"
    assert secrets(about) == about


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_a_statement_loses_its_tokens_alone(text: str) -> None:
    """What is a secret by its shape goes from statements and pages too, and nothing else does."""
    assert not [one for one in LEFT if one in tokens(text)]
    remedy = "CREATE INDEX CONCURRENTLY i ON public.t USING btree (token) WHERE (password = 'x y@z.org'::text)"
    assert tokens(remedy) == remedy


@pytest.mark.parametrize("text", KEPT)
def test_names_and_sentences_stay(text: str) -> None:
    """Names of tables and roles, versions, times, networks of ours, and placeholders of statements are as they were."""
    assert people(text) == text


def test_two_tokens_are_told_apart_and_each_is_the_same_every_week() -> None:
    """A token leaves eight digits of its SHA-256; a password, which could be guessed from them, leaves none."""
    one, other = tokens(JWT), tokens(JWT + "x")
    assert one == tokens(f"{JWT}") != other
    assert secrets("password=abc1") == secrets("password=abc2")


def test_an_answer_stays_json_and_byte_for_byte_as_it_came_elsewhere() -> None:
    """Numbers, blanks, doubled names and escapes stay; an escaped secret is found; a named one goes as a whole."""
    came = (
        '{ "n": 1.00,\t"n":1e400, "ü":"\\u00fc", "at\\u0040":"bob\\u0040mail.org","password" : "a", "api_key":"0123"}'
    )
    assert body(came) == came.replace('"bob\\u0040mail.org"', '"⟨e-mail⟩"').replace('"0123"', '"⟨secret⟩"')
    assert body("<p>apikey=0123</p> bob@mail.org") == "<p>apikey=⟨secret⟩ ⟨e-mail⟩"
    assert body('{"broken": "bob@mail.org, \\x') == '{"broken": "bob@mail.org, \\x'.replace("bob@mail.org", "⟨e-mail⟩")


def test_a_structure_is_redacted_to_its_depth() -> None:
    """Names and values of any depth; numbers and what is no text stay."""
    found = redacted({"bob@mail.org": [{"password": "hunter", "role": "api_key"}, 5, None, ("a@mail.org",)]})
    assert found == {"⟨e-mail⟩": [{"password": "⟨secret⟩", "role": "api_key"}, 5, None, ["⟨e-mail⟩"]]}
