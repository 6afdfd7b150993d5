"""Small faults planted in a source file: what each one replaces, by the file's own bytes. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

_FLIPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.Gt: ast.GtE,
    ast.Eq: ast.NotEq,
    ast.In: ast.NotIn,
    ast.Is: ast.IsNot,
}
_FLIPS |= {new: old for old, new in _FLIPS.items()}
_SUMS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Mult: ast.Div}
_SUMS |= {new: old for old, new in _SUMS.items()}
#: Constants that stand for one of two outcomes.
_SWAPS = {"DONE": "NOT_DONE", "REFUSED": "UNKNOWN", "APPROVE": "REJECT", "MEASURED": "ESTIMATED"}
_SWAPS |= {new: old for old, new in _SWAPS.items()}
#: In a statement: what stands for what; comments and quoted texts are left alone.
_SQL = (
    (r"(?<![<>!:=])=(?!>)", "<>"),
    (r"<>", "="),
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<![-<])<(?![=>])", "<="),
    (r"(?<![-<=>])>(?!=)", ">="),
    (r"\bAND\b", "OR"),
    (r"\bOR\b", "AND"),
    (r"\bNOT (?=EXISTS|IN\b|LIKE|[a-z(])", ""),
    (r"\bIS NULL", "IS NOT NULL"),
    (r"\bIS NOT NULL", "IS NULL"),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
)


@dataclass(frozen=True)
class Mutant:
    """One fault: these bytes of a file become others. ``was`` and ``becomes`` are its lines before and after."""

    path: str
    line: int
    start: int
    end: int
    text: str
    was: str
    becomes: str

    def planted(self, source: bytes) -> bytes:
        """The file with the fault in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Every fault that can be planted in a file, in its order."""
    found = _sql(source) if path.endswith(".sql") else _python(source)
    return [_mutant(path, source, *one) for one in sorted(set(found))]


def _mutant(path: str, source: bytes, start: int, end: int, text: str) -> Mutant:
    first = source.rfind(b"\n", 0, start) + 1
    last = source.find(b"\n", end) % (len(source) + 1)
    was = source[first:last].decode()
    becomes = (source[first:start] + text.encode() + source[end:last]).decode()
    return Mutant(path, source.count(b"\n", 0, start) + 1, start, end, text, _short(was), _short(becomes))


def _short(text: str) -> str:
    return " ".join(text.split())


def _sql(source: bytes) -> Iterator[tuple[int, int, str]]:
    text = source.decode()
    blank = re.sub(r"--[^\n]*|'[^']*'", lambda found: " " * len(found[0]), text)
    for pattern, new in _SQL:
        for found in re.finditer(pattern, blank):
            yield len(text[: found.start()].encode()), len(text[: found.end()].encode()), new


def _python(source: bytes) -> Iterator[tuple[int, int, str]]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, new in _walk(ast.parse(source), ""):
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        yield starts[node.lineno - 1] + node.col_offset, end, new  # type: ignore[attr-defined]


def _walk(node: ast.AST, returns: str) -> Iterator[tuple[ast.AST, str]]:
    """(what is replaced, by what) for a node and all below it; ``returns`` is what the function around it gives."""
    if isinstance(node, ast.FunctionDef):
        returns = ast.unparse(node.returns) if node.returns else ""
        below: list[ast.AST] = [*node.args.defaults, *node.args.kw_defaults, *node.body]  # type: ignore[list-item]
    elif isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return  # positions inside f-strings are not the source's before Python 3.12
    elif isinstance(node, ast.ClassDef):
        below = list(node.body)
    elif isinstance(node, ast.AnnAssign):
        below = [node.value] if node.value else []
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    else:
        below = list(ast.iter_child_nodes(node))
    yield from _variants(node, returns)
    for child in below:
        if child is not None:
            yield from _walk(child, returns)


def _variants(node: ast.AST, returns: str) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                other = copy(node)
                other.ops = [*node.ops[:place], _FLIPS[type(operator)](), *node.ops[place + 1 :]]
                yield node, f"({ast.unparse(other)})"
        case ast.BoolOp():
            other_op: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, f"({ast.unparse(ast.BoolOp(other_op, node.values))})"
        case ast.BinOp() if type(node.op) in _SUMS and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            yield node, f"({ast.unparse(ast.BinOp(node.left, _SUMS[type(node.op)](), node.right))})"
        case ast.UnaryOp(op=ast.Not()):
            yield node, f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool()):
            yield node, str(not node.value)
        case ast.Constant(value=int() | float()):
            yield node, str(node.value + 1)  # type: ignore[operator]
        case ast.Name() if node.id in _SWAPS:
            yield node, _SWAPS[node.id]
        case ast.Attribute(value=ast.Name(id="Level")):
            yield node, "Level.UNKNOWN" if node.attr == "OK" else "Level.OK"
        case _:
            yield from _of_a_statement(node, returns)


def _of_a_statement(node: ast.AST, returns: str) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Return(value=ast.expr() as value):
            if new := _returned(value, returns):
                yield node, f"return {new}"
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield node, "pass"
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            yield node.test, f"(not ({ast.unparse(node.test)}))"
        case ast.comprehension():
            yield from ((test, "True") for test in node.ifs)


def _returned(value: ast.expr, returns: str) -> str:
    """What a function gives instead; empty where it gives that already."""
    if returns == "str":
        return "'mutant'" if isinstance(value, ast.Constant) and not value.value else "''"
    if returns == "bool":
        return f"not ({ast.unparse(value)})"
    return "" if isinstance(value, ast.Constant) and value.value is None else "None"
