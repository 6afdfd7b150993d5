"""Redaction: what a long-running statement shows of itself, without a value that anybody wrote into it."""

import pytest

from upkeep.core.statements import MAX_STATEMENT, redact

SECRET = "S3CRETMARKER"
NUMBER = "8675309"

#: Statements with the marker as a literal's or comment's content, in every place where PostgreSQL has one.
STRINGS = {
    "plain": "SELECT 'S3CRETMARKER'",
    "doubled quotes": "SELECT '''S3CRETMARKER'''",
    "after an empty one": "SELECT '', 'S3CRETMARKER', ''",
    "continued on the next line": "SELECT 'a'\n'S3CRETMARKER'",
    "escape string": "SELECT E'S3CRETMARKER'",
    "escape string, escaped quote": r"SELECT E'a\' S3CRETMARKER'",
    "backslash that is no escape": r"SELECT 'c:\', 'S3CRETMARKER'",
    "backslash before, secret behind": r"SELECT E'\\', 'S3CRETMARKER'",
    "continued escape string": "SELECT E'a'\n'b\\' S3CRETMARKER'",
    "national": "SELECT N'S3CRETMARKER'",
    "unicode": "SELECT U&'d!0061 S3CRETMARKER' UESCAPE '!'",
    "bits": "SELECT B'S3CRETMARKER', X'S3CRETMARKER'",
    "typed": "SELECT date 'S3CRETMARKER', interval 'S3CRETMARKER' day, 'S3CRETMARKER'::text",
    "in brackets": "SELECT ARRAY ['S3CRETMARKER', 'S3CRETMARKER']",
    "in nested brackets": "SELECT ARRAY[['S3CRETMARKER'],['S3CRETMARKER']]",
    "a subscript": "SELECT (j)['S3CRETMARKER'] FROM t",
    "behind a quoted name": """SELECT "it's", 'S3CRETMARKER' FROM "x'y" """,
    "holding a quoted name": """SELECT 'x"y', 'S3CRETMARKER', "z" """,
    "holding a comment's start": "SELECT '/*', 'S3CRETMARKER', '*/'",
    "holding a line comment's start": "SELECT '--', 'S3CRETMARKER'\n, '--'",
    "behind a quote in a comment": "SELECT /* it's */ 'S3CRETMARKER' /* ' */",
    "behind a quote in a line comment": "SELECT 1 -- it's\n, 'S3CRETMARKER' -- '",
    "on the next line after an XOR": "SELECT 5 # length('a\nS3CRETMARKER')",
    "dollars": "SELECT $$S3CRETMARKER$$",
    "tagged dollars": "DO $body$ BEGIN PERFORM 'S3CRETMARKER'; END $body$",
    "dollars in dollars": "SELECT $a$ $b$ S3CRETMARKER $b$ $$ S3CRETMARKER $$ $a$",
    "a tag of other letters": "SELECT $été$S3CRETMARKER$été$, $日本$S3CRETMARKER$日本$, $→$S3CRETMARKER$→$",
    "dollars behind a quoted name": 'SELECT "a"$$S3CRETMARKER$$',
    "dollars behind a number": "SELECT 1$$S3CRETMARKER$$",
    "dollars behind a parameter": "SELECT $1$$S3CRETMARKER$$",
    "an apostrophe in dollars": "SELECT $$it's$$, 'S3CRETMARKER', $$'$$",
    "a name with dollars": "SELECT a$x$, 'S3CRETMARKER' FROM b$x$",
    "comment": "SELECT /* S3CRETMARKER */ 1",
    "nested comment": "SELECT /* a /* b */ S3CRETMARKER */ 1",
    "line comment": "SELECT 1 -- S3CRETMARKER",
    "line comment ended by a return": "SELECT 1 -- S3CRETMARKER\r, 'S3CRETMARKER'",
    "comment within an operator": "SELECT 1+--S3CRETMARKER\n2",
    "second statement": "SELECT 1; SELECT 'S3CRETMARKER'",
    "a password": "ALTER ROLE app PASSWORD 'S3CRETMARKER'",
    "unclosed string": "SELECT 'S3CRETMARKER",
    "unclosed behind a doubled quote": "SELECT 'it''S3CRETMARKER",
    "unclosed by a doubled quote": "SELECT 'S3CRETMARKER''",
    "unclosed dollars": "SELECT $$S3CRETMARKER",
    "unclosed tag": "SELECT $tag$S3CRETMARKER$ta",
    "unclosed comment": "SELECT 1 /* S3CRETMARKER",
    "unclosed name": """SELECT "a, 'S3CRETMARKER'""",
}

NUMBERS = {
    "integer": "SELECT 8675309",
    "negative": "SELECT -8675309, a-8675309",
    "fraction": "SELECT .8675309, 8675309., 1.8675309",
    "exponent": "SELECT 1e8675309, 1e-8675309, 8675309E+3",
    "grouped": "SELECT 1_8675309, 12_34_8675309",
    "other bases": "SELECT 0x8675309, 0o8675309, 0b8675309",
    "with junk behind it": "SELECT 8675309abc",
    "in brackets": "SELECT ARRAY[8675309], a[8675309:8675309]",
    "cast": "SELECT 8675309::text",
    "behind a name": "SELECT t.8675309, f(8675309), (1)8675309",
    "limit": "SELECT a FROM t LIMIT 8675309 OFFSET 8675309",
}


@pytest.mark.parametrize("statement", STRINGS.values(), ids=STRINGS.keys())
def test_no_text_survives(statement: str) -> None:
    """The content of no string and of no comment is shown, wherever it stands."""
    assert SECRET in statement
    assert SECRET not in redact(statement)


@pytest.mark.parametrize("statement", NUMBERS.values(), ids=NUMBERS.keys())
def test_no_number_survives(statement: str) -> None:
    """No digit of a number is shown, in whatever notation it is written."""
    assert NUMBER in statement
    assert not any(digit in redact(statement) for digit in "0123456789")


@pytest.mark.parametrize("statement", STRINGS.values(), ids=STRINGS.keys())
def test_nothing_survives_a_cut_anywhere(statement: str) -> None:
    """The server cuts long statements: no beginning of one shows more of the marker than chance."""
    for end in range(len(statement)):
        assert "S3C" not in redact(statement[:end]), statement[:end]


@pytest.mark.parametrize("before", ["", "SELECT ", "f(", "a ", "a.", "1", "'x'", '"y"', "[", "/**/", "--\n", "-", "$1"])
@pytest.mark.parametrize("literal", ["'{}'", "E'{}'", "$${}$$", "$t${}$t$", "/*{}*/", "--{}\n", "'{}", "$${}", "/*{}"])
@pytest.mark.parametrize("after", ["", " FROM t", ")", ", 'x'", "'", "$$", "*/", "\n;"])
def test_no_marker_survives_between_any_neighbours(before: str, literal: str, after: str) -> None:
    """Each kind of literal behind and before each kind of neighbour hides its content.

    A dollar quote right behind a name is part of that name to PostgreSQL, and is left out.
    """
    statement = before + literal.format(SECRET) + after
    assert SECRET not in redact(statement), statement


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("", ""),
        ("  \n\t ", ""),
        ("SELECT now()", "SELECT now()"),
        ("SELECT  a,\n\tb\r\nFROM t", "SELECT a, b FROM t"),
        ("UPDATE t SET a = 'x', b = 1.5e3 WHERE c = $1", "UPDATE t SET a = ?, b = ? WHERE c = $1"),
        ("SELECT /* why */ a -- what\nFROM t", "SELECT a FROM t"),
        ("SELECT t1.a2 FROM t1", "SELECT t1.a2 FROM t1"),
        ('SELECT "Mixed Case", "it\'s" FROM "T"', 'SELECT "Mixed Case", "it\'s" FROM "T"'),
        ("SELECT a/b, a-b, a->>'x', a::int", "SELECT a/b, a-b, a->>?, a::int"),
        ("SELECT größe FROM straße", "SELECT größe FROM straße"),
        ("SELECT 1; DELETE FROM t", "SELECT ?; DELETE FROM t"),
        ("SELECT 'x", "SELECT…"),
        ("SELECT 1 /* x", "SELECT ?…"),
        ("SELECT $a$x", "SELECT…"),
        (r"SELECT E'a\nb', c", "SELECT E…"),
    ],
)
def test_what_is_left_can_be_read(statement: str, shown: str) -> None:
    """Names, keywords, operators and parameters stay on one line; an uncertain end is an ellipsis."""
    assert redact(statement) == shown


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT '" + "x" * 1_000_000 + "'",
        "SELECT '" + "x" * 1_000_000,
        "'" * 1_000_001,
        "SELECT " + "1," * 500_000,
        "SELECT " + "a," * 500_000,
        "/*" * 500_000,
        "/* " + "* / " * 250_000 + "*/ 1",
        "(" * 1_000_000,
        "$a$ $b$ " * 125_000,
        "".join(f"$t{number}$" for number in range(150_000)),
        "- " * 500_000,
        " " * 1_000_000,
        "-- \n" * 250_000,
        '"' * 1_000_001,
    ],
    ids=lambda statement: statement[:12].strip(),
)
def test_a_megabyte_is_redacted_and_shown_in_part(statement: str) -> None:
    """The largest text that a server can be set to keep neither recurses, nor hangs, nor fills the report."""
    assert len(redact(statement)) <= MAX_STATEMENT + 1


def test_a_long_statement_ends_in_an_ellipsis() -> None:
    """Whoever reads a statement that was cut here can tell that it was, and where it began."""
    shown = redact("SELECT " + ", ".join(f"column_{number}" for number in range(1000)))
    assert shown.startswith("SELECT column_0, column_1,")
    assert shown.endswith("…")
    assert len(shown) == MAX_STATEMENT + 1
