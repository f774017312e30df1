"""House rules that import contracts cannot say, read from the source as text. Each returns one line per breach.

Every rule takes the folder of the package, so that `test_contracts_bite.py` can point it at a wrong one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

# design: "Inside a part or a product": a file that is not on this list does not exist.
FILES = {
    "__init__", "api", "cli", "demo", "domain", "events", "flows", "handlers", "http", "jobs", "manifest", "models",
    "pages", "ports", "providers", "schemas", "service", "settings", "store",
}  # fmt: skip
FOLDERS = FILES | {"templates", "static", "locale", "sql", "__pycache__"}
DOORS = {"api", "events", "manifest"}


def modules(package: Path) -> Iterator[Path]:
    """The folder of every part and product."""
    for floor in ("parts", "products"):
        yield from sorted(p for p in (package / floor).glob("*") if p.is_dir() and p.name != "__pycache__")


def python_files(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def unknown_files(package: Path) -> list[str]:
    """A file with a name of its own cannot be found by someone who knows another module."""
    found = []
    for module in modules(package):
        for path in sorted(module.iterdir()):
            known = FOLDERS if path.is_dir() else {f"{name}.py" for name in FILES}
            if path.name not in known:
                found.append(f"{path.relative_to(package)}: not one of the house's file names")
    return found


def side_doors(package: Path) -> list[str]:
    """A module is entered through its `api`, `events` (and by the catalogue, its `manifest`) alone."""
    found = []
    for path, tree in python_files(package):
        inside = path.relative_to(package).parts[:2]
        for name, line in _imports(tree):
            floor, _, rest = name.removeprefix("tillhouse.").partition(".")
            if floor not in ("parts", "products") or not rest:
                continue
            module, _, door = rest.partition(".")
            if inside != (floor, module) and door.split(".")[0] not in DOORS:
                found.append(
                    f"{path.relative_to(package)}:{line}: enters {module} by {door or 'no door'}, not by its api"
                )
    return found


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = node.module.count(".") >= 3 or not node.module.startswith("tillhouse.")
            yield from ((node.module if whole else f"{node.module}.{a.name}", node.lineno) for a in node.names)


def imports_inside_functions(package: Path) -> list[str]:
    """Only a manifest loads lazily: elsewhere an import inside a function hides a circle."""
    found = []
    for path, tree in python_files(package):
        if path.name == "manifest.py":
            continue
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        found.append(f"{path.relative_to(package)}:{node.lineno}: import inside a function")
    return found


def commits_outside_db(package: Path) -> list[str]:
    """`kernel/db.py` alone ends transactions of the house (the sandbox keeps a database of its own)."""
    found = []
    for path, tree in python_files(package):
        relative = path.relative_to(package)
        if relative.parts[0] == "sandbox" or relative == Path("kernel/db.py"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback"):
                found.append(f"{relative}:{node.lineno}: .{node.attr} outside kernel/db.py")
    return found


def sql_outside_store(package: Path) -> list[str]:
    """In a module, SQLAlchemy is known to `store` and `models` alone."""
    found = []
    for module in modules(package):
        for path, tree in python_files(module):
            place = path.relative_to(module).parts[0].removesuffix(".py")
            if place in ("store", "models", "manifest"):
                continue
            for name, line in _imports(tree):
                if name.split(".")[0] == "sqlalchemy":
                    found.append(f"{path.relative_to(package)}:{line}: SQLAlchemy outside store and models")
    return found


def other_clocks(package: Path) -> list[str]:
    """Business code asks `kernel.clock`, so that a test can hold it still."""
    found = []
    for floor in ("parts", "products"):
        for path, tree in python_files(package / floor):
            for node in ast.walk(tree):
                if _is_now(node):
                    found.append(f"{path.relative_to(package)}:{node.lineno}: reads the clock without kernel.clock")
    return found


def _is_now(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in ("now", "today", "utcnow")
        and isinstance(node.value, ast.Name)
        and node.value.id in ("datetime", "date")
    )


def reads_of_the_environment(package: Path) -> list[str]:
    """Settings are read by `kernel/settings.py`; apps may start processes with an environment."""
    found = []
    for path, tree in python_files(package):
        relative = path.relative_to(package)
        if relative.parts[0] in ("apps", "sandbox") or relative == Path("kernel/settings.py"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                found.append(f"{relative}:{node.lineno}: reads the environment")
    return found


def floats_near_money(package: Path) -> list[str]:
    """No float in the modules that hold money."""
    found = []
    for name in ("ledger", "wallets", "payments", "billing"):
        for path, tree in python_files(package / "parts" / name):
            for node in ast.walk(tree):
                literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
                call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
                if literal or call:
                    found.append(f"{path.relative_to(package)}:{getattr(node, 'lineno', 0)}: a float near money")
    return found


RULES = (
    unknown_files,
    side_doors,
    imports_inside_functions,
    commits_outside_db,
    sql_outside_store,
    other_clocks,
    reads_of_the_environment,
    floats_near_money,
)
