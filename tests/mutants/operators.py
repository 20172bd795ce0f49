"""The mutants of a source file: each is one small change of one expression or statement.

What decides nothing is left as it is: annotations, docstrings, decorators, imports and messages.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# How often a kind of change is drawn: conditions decide most, a changed message hardly anything.
WEIGHTS = {"condition": 4.0, "statement": 3.0, "value": 1.5, "part": 1.0, "call": 0.7, "text": 0.1}


@dataclass(frozen=True)
class Mutant:
    """`begin` and `end` are bytes of the file, `lines` its first and last line."""

    id: str
    file: str
    kind: str
    lines: tuple[int, int]
    begin: int
    end: int
    old: str
    new: str
    in_function: bool

    def of(self, source: bytes) -> bytes:
        """The file as this mutant has it."""
        return source[: self.begin] + self.new.encode() + source[self.end :]

    def __str__(self) -> str:
        short = [" ".join(text.split())[:90] for text in (self.old, self.new)]
        return f"{self.id}  {self.file}:{self.lines[0]}  {short[0]}  ->  {short[1]}"


def mutants(root: Path, file: str) -> list[Mutant]:
    """Every mutant of `file`, whose name is relative to `root`."""
    return _Mutator(file, (root / file).read_bytes()).all()


class _Mutator:
    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        self.tree = ast.parse(source)
        self.starts = [0]
        for line in source.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.parents = {c: n for n in ast.walk(self.tree) for c in ast.iter_child_nodes(n)}
        self.left_alone = {m for n in ast.walk(self.tree) for top in _told(n) for m in ast.walk(top)}

    def all(self) -> list[Mutant]:
        found, seen, twins = [], set(), Counter[str]()
        for node in ast.walk(self.tree):
            if node in self.left_alone:
                continue
            for kind, at, new in self._changes(node):
                begin, end = self._place(at[0])[0], self._place(at[-1])[1]
                old = self.source[begin:end].decode()
                if old == new or (begin, end, new) in seen:
                    continue
                seen.add((begin, end, new))
                name = f"{self.file}|{self._function(at[0])}|{ast.dump(ast.parse(self._flat(at)))}|{new}"
                twins[name] += 1
                digest = hashlib.sha256(f"{name}|{twins[name]}".encode()).hexdigest()[:10]
                lines = (at[0].lineno, at[-1].end_lineno)
                inside = self._function(at[0]) is not None
                found.append(Mutant(digest, self.file, kind, lines, begin, end, old, new, inside))
        return found

    def _flat(self, nodes: list[Any]) -> str:
        return "\n".join(ast.unparse(node) for node in nodes if isinstance(node, ast.AST))

    def _place(self, node: Any) -> tuple[int, int]:
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def _function(self, node: ast.AST) -> str | None:
        names = []
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, FUNCTIONS):
                names.append(getattr(node, "name", "lambda"))
        return ".".join(reversed(names)) or None

    def _changes(self, node: ast.AST) -> Iterator[tuple[str, list[Any], str]]:
        """(kind, the nodes that are replaced, by what)."""
        for kind, at, new in (*self._conditions(node), *self._values(node)):
            yield kind, [at], f"({ast.unparse(new)})"
        for kind, at, text in self._statements(node):
            yield kind, at, text

    def _conditions(self, node: ast.AST) -> Iterator[tuple[str, Any, Any]]:
        if isinstance(node, ast.Compare):
            for i, op in enumerate(node.ops):
                yield "condition", node, _with(node, "ops", i, SWAPS[type(op)]())
        if isinstance(node, ast.BoolOp):
            yield "condition", node, ast.BoolOp(SWAPS[type(node.op)](), node.values)
            for i in range(len(node.values)):
                rest = node.values[:i] + node.values[i + 1 :]
                yield "condition", node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield "condition", node, node.operand
        asked = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
        asked += node.ifs if isinstance(node, ast.comprehension) else []
        for test in asked:
            plain = isinstance(test, ast.Compare) and len(test.ops) == 1
            if not plain and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
                yield "condition", test, ast.UnaryOp(ast.Not(), test)
            if isinstance(node, ast.comprehension):
                yield "condition", test, ast.Constant(True)

    def _values(self, node: ast.AST) -> Iterator[tuple[str, Any, Any]]:
        parent = self.parents.get(node)
        inside = self._function(node) is not None
        if isinstance(node, ast.Constant):
            match node.value:
                case bool():
                    yield "value", node, ast.Constant(not node.value)
                case int() | float():
                    yield "value", node, ast.Constant(node.value + 1)
                case str() if inside and not isinstance(parent, ast.keyword) and " " not in node.value:
                    yield "text", node, ast.Constant("XX" + node.value)
        if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
            texts = (ast.JoinedStr, ast.Constant)
            if not (isinstance(node.op, ast.Add) and isinstance(node.left, texts) and _is_text(node.left)):
                yield "value", node, ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
        if isinstance(node, ast.Call) and inside and not isinstance(parent, ast.Expr | ast.Raise | ast.Await):
            yield "call", node, ast.Constant(None)
            for i, word in enumerate(node.keywords):
                if word.arg:
                    yield "part", node, _without(node, "keywords", i)
        if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1 and self._is_read(node):
            for i in range(len(node.elts)):
                yield "part", node, _without(node, "elts", i)
        if isinstance(node, ast.Dict):
            for i in range(len(node.keys)):
                yield "part", node, _without(_without(node, "keys", i), "values", i)

    def _is_read(self, node: Any) -> bool:
        """Elsewhere an element less is an unpacking that fails at once."""
        parent = self.parents.get(node)
        return isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and not isinstance(
            parent, ast.Subscript | ast.Return | ast.Assign
        )

    def _statements(self, node: ast.AST) -> Iterator[tuple[str, list[Any], str]]:
        if isinstance(node, ast.Return) and node.value is not None:
            yield "value", [node], "return None"
        dropped = ast.Raise | ast.AugAssign | ast.Break | ast.Continue
        called = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Yield | ast.YieldFrom)
        if isinstance(node, dropped) or called:
            yield "statement", [node], "pass"
        if isinstance(node, ast.If):
            yield "statement", node.body, "pass"


def compiles(mutant: Mutant, source: bytes) -> bool:
    """Whether Python can read it: in a pattern, say, a call is none of its words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            compile(mutant.of(source), mutant.file, "exec")
    except SyntaxError:
        return False
    return True


def _told(node: ast.AST) -> Iterator[ast.AST]:
    """What below this node decides nothing."""
    match node:
        case ast.AnnAssign():
            yield node.annotation
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from node.decorator_list
            yield from [node.returns] if node.returns else []
            arguments = node.args
            every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg)
            yield from (a.annotation for a in (*every, arguments.kwarg) if a and a.annotation)
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            yield node
        case ast.Expr(value=ast.Constant()):
            yield node
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            yield node
        case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType")):
            yield node
        case ast.ExceptHandler(type=ast.expr() as caught):
            yield caught


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


def _with(node: Any, field: str, i: int, new: ast.AST) -> Any:
    changed = copy.copy(node)
    values = list(getattr(node, field))
    values[i] = new
    setattr(changed, field, values)
    return changed


def _without(node: Any, field: str, i: int) -> Any:
    changed = copy.copy(node)
    values = getattr(node, field)
    setattr(changed, field, values[:i] + values[i + 1 :])
    return changed
