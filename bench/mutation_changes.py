"""The small changes that `till bench mutation` makes to functions, one at a time.

A change is put into the running program: the function object keeps its place in every module that imported it and is
given other code. So nothing on the disk changes, and what is decorated, bound or a property is changed like the rest.
Left alone are annotations, decorators, the defaults of a signature, docstrings, asserts (they narrow types), and the
wording of messages. What stands outside of functions (tables, defaults of dataclasses) is not changed.
"""

import ast
import copy
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import cast

Function = ast.FunctionDef | ast.AsyncFunctionDef

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_WORDED = {"N_", "_", "ValueError", "RuntimeError", "TypeError", "LookupError", "cast"}  # the first argument is words
_LEFT_ALONE = {"annotation", "returns", "decorator_list", "type_comment", "ctx", "format_spec"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`before` becomes `after` in the statement of that number of a function. `name` is unique, and lasts while the
    function says the same.
    """

    text: str
    module: str
    function: str
    statement: int
    line: int
    before: str
    after: str
    occurrence: int
    place: "_Place"
    other: ast.AST

    @property
    def name(self) -> str:
        nth = f" #{self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.module}:{self.function}: {self.before} → {self.after}{nth}"


class Source:
    """A module of the running program, whose functions can be given changed code."""

    def __init__(self, module: ModuleType) -> None:
        assert module.__file__ is not None
        self.module = module
        self.path = Path(module.__file__)
        self.text = self.path.read_text(encoding="utf-8")
        self._tree = ast.parse(self.text)
        self._functions = {
            name: node for name, node in _functions(self._tree) if _live(module, name, _first_line(node)) is not None
        }
        self.changes = self._all_changes()

    def put(self, change: Change) -> None:
        """Let the function be changed from now on, in this process."""
        original = change.place.get()
        change.place.put(ast.copy_location(change.other, original))
        try:
            self._give(self._tree, [change.function])
        finally:
            change.place.put(original)

    def watch(self, first: int) -> list[tuple[str, int]]:
        """Let `__reached__(n)` be called before every statement of every function, counted from `first`.

        Returns their functions and numbers in them, in that order.
        """
        tree = copy.deepcopy(self._tree)
        found: list[tuple[str, int]] = []
        for name, node in _functions(tree):
            if name in self._functions:
                count = len(_numbered(node))
                _add_probes(node, first + len(found))
                found += [(name, n) for n in range(count)]
        self._give(tree, self._functions)
        return found

    def restore(self) -> None:
        """Let every function be as it is written again."""
        self._give(self._tree, self._functions)

    def _give(self, tree: ast.Module, names: Iterable[str]) -> None:
        compiled = compile(ast.fix_missing_locations(tree), str(self.path), "exec", dont_inherit=True)
        codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(compiled)}
        for name in names:
            line = _first_line(self._functions[name])
            function = _live(self.module, name, line)
            assert function is not None
            function.__code__ = codes[name, line]

    def _all_changes(self) -> list[Change]:
        found: list[Change] = []
        for name, node in self._functions.items():
            alike: Counter[tuple[str, str]] = Counter()
            numbers = _numbered(node)
            for statement, place, other in _changes(node):
                words = _short(ast.unparse(place.get())), _short(ast.unparse(other))
                alike[words] += 1
                found.append(
                    Change(
                        text=self.text,
                        module=self.module.__name__.removeprefix("tillhouse.parts."),
                        function=name,
                        statement=numbers[id(statement)],
                        line=getattr(place.get(), "lineno", statement.lineno),
                        before=words[0],
                        after=words[1],
                        occurrence=alike[words],
                        place=place,
                        other=other,
                    )
                )
        return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node hangs in its tree."""

    parent: ast.AST
    field: str
    index: int | None

    def get(self) -> ast.AST:
        value = getattr(self.parent, self.field)
        return cast("ast.AST", value if self.index is None else value[self.index])

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _functions(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Functions and methods with their qualified names. What is defined inside them is part of them."""
    for child in node.body:
        if isinstance(child, Function):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _first_line(node: Function) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _live(module: ModuleType, name: str, line: int) -> FunctionType | None:
    """The function of that name whose code begins in that line, under whatever wraps it."""
    found: object = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    while found is not None and not isinstance(found, FunctionType):
        under = [getattr(found, one, None) for one in ("fget", "func", "__func__", "__wrapped__")]
        found = next((one for one in under if one is not None), None)
    return found if isinstance(found, FunctionType) and found.__code__.co_firstlineno == line else None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _numbered(function: Function) -> dict[int, int]:
    statements = (node for body in function.body for node in ast.walk(body) if isinstance(node, ast.stmt))
    return {id(node): number for number, node in enumerate(statements)}


def _add_probes(function: Function, first: int) -> None:
    numbers = _numbered(function)
    for node in list(ast.walk(function)):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, [one for stmt in value for one in (_probe(first + numbers[id(stmt)]), stmt)])


def _probe(number: int) -> ast.stmt:
    return ast.parse(f"__reached__({number})").body[0]


def _changes(function: Function) -> Iterator[tuple[ast.stmt, _Place, ast.AST]]:
    documented = ast.get_docstring(function, clean=False) is not None
    for index in range(int(documented), len(function.body)):
        yield from _changes_at(_Place(function, "body", index), function.body[index])


def _changes_at(place: _Place, statement: ast.stmt) -> Iterator[tuple[ast.stmt, _Place, ast.AST]]:
    node = place.get()
    if isinstance(node, ast.stmt):
        statement = node
    if isinstance(node, ast.Assert):
        return
    for other in _others(node, place):
        yield statement, place, other
    for child in _children(node):
        yield from _changes_at(child, statement)


def _children(node: ast.AST) -> Iterator[_Place]:
    wording = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _WORDED
    for field, value in ast.iter_fields(node):
        if field in _LEFT_ALONE:
            continue
        if isinstance(value, ast.AST):
            yield _Place(node, field, None)
        elif isinstance(value, list):
            for index, one in enumerate(value):
                words = isinstance(one, ast.Constant | ast.JoinedStr) and wording and field == "args" and index == 0
                part = isinstance(node, ast.JoinedStr) and isinstance(one, ast.Constant)
                if isinstance(one, ast.AST) and not words and not part:
                    yield _Place(node, field, index)


def _others(node: ast.AST, place: _Place) -> Iterator[ast.AST]:
    """What can stand in the place of `node`."""
    if place.field in {"test", "ifs"} and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
        yield ast.UnaryOp(ast.Not(), cast("ast.expr", node))
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript() | ast.Tuple(elts=[ast.Attribute(), *_]), *_]):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.AugAssign(op=operator) if type(operator) in _COMPUTED:
            yield ast.AugAssign(node.target, _COMPUTED[type(operator)](), node.value)
        case ast.expr():
            yield from _other_expressions(node)


def _other_expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield from _other_comparisons(node)
        case ast.BoolOp():
            for index in range(len(node.values)):
                rest = [*node.values[:index], *node.values[index + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.BinOp(op=operator) if type(operator) in _COMPUTED:
            yield ast.BinOp(node.left, _COMPUTED[type(operator)](), node.right)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield ast.Call(ast.Name(_CALLED[name], ast.Load()), node.args, node.keywords)
        case ast.JoinedStr():
            yield ast.JoinedStr([ast.Constant("XX"), *node.values])
        case ast.Constant():
            yield from _other_constants(node)


def _other_comparisons(node: ast.Compare) -> Iterator[ast.Compare]:
    for index, operator in enumerate(node.ops):
        for other in _COMPARED[type(operator)]:
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def _other_constants(node: ast.Constant) -> Iterator[ast.Constant]:
    match node.value:
        case bool(value):
            yield ast.Constant(not value)
        case int(value):
            yield ast.Constant(value + 1)
        case str(value):
            yield ast.Constant("XX" + value)
        case bytes(value):
            yield ast.Constant(b"XX" + value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:159] + "…"
