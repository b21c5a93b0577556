"""The rooms of the package and the imports between them: `make rooms` draws them, a test holds the rule.

An import under TYPE_CHECKING counts as any other.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
PACKAGE = "tender_sync"
ROOT = "root"
# room → the rooms it may import, beside itself
MAY_IMPORT: dict[str, frozenset[str]] = {
    ROOT: frozenset(),
    "sources": frozenset({ROOT}),
    "mapping": frozenset({ROOT, "sources"}),
    "identity": frozenset({ROOT, "sources", "mapping"}),
    "api": frozenset({ROOT, "sources"}),
    "storage": frozenset({ROOT, "sources", "mapping", "identity"}),
    "pipeline": frozenset({ROOT, "sources", "mapping", "identity", "api", "storage"}),
    "orchestration": frozenset({ROOT, "sources", "mapping", "identity", "api", "storage", "pipeline"}),
    "web": frozenset({ROOT, "sources", "mapping", "identity", "storage"}),
}
# Single modules that a room may import beyond that, each with its reason.
EXCEPTIONS = {
    ("storage", "tender_sync.api.decoding"),  # a page kept because it could not be decoded is decoded again
    ("storage", "tender_sync.api.request_schedule"),  # the pure half of the pace, of which MongoDB keeps the state
}
# package → where it may be imported: rooms, or single modules
ONLY_IN: dict[str, frozenset[str]] = {
    "airflow": frozenset({"tender_sync.connections", "orchestration", "web"}),
    "pymongo": frozenset({"storage", "tender_sync.connections"}),
    "bson": frozenset({"storage", "tender_sync.connections", "tender_sync.mapping.bson_limits"}),
}


@dataclass(frozen=True)
class Import:
    """One import: the module that has it, its line, and the module it imports."""

    module: str
    path: Path
    line: int
    imported: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(PLUGINS.parent)}:{self.line}: {self.module} imports {self.imported}"


def room_of(module: str) -> str:
    """Return the room of a module of the package."""
    _, *rest = module.split(".")
    return rest[0] if rest and rest[0] in MAY_IMPORT else ROOT


def all_imports() -> Iterator[Import]:
    """Find every import of every module of the package."""
    for path in sorted((PLUGINS / PACKAGE).rglob("*.py")):
        module = ".".join(path.relative_to(PLUGINS).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [_imported(node.module, alias.name) for alias in node.names]
            else:
                continue
            for name in dict.fromkeys(names):
                yield Import(module, path, node.lineno, name)


def _imported(module: str, name: str) -> str:
    """Return the module that `from module import name` imports."""
    inner = PLUGINS.joinpath(*module.split("."), name)
    return f"{module}.{name}" if inner.is_dir() or inner.with_suffix(".py").is_file() else module


def problems() -> list[str]:
    """List what breaks the rule, each by the line that does it."""
    found = list(all_imports())
    return [*filter(None, map(_problem, found)), *_circles(found), *_taken_names()]


def _problem(each: Import) -> str | None:
    room, package = room_of(each.module), each.imported.partition(".")[0]
    if package in ONLY_IN and not ONLY_IN[package] & {room, each.module}:
        return f"{each}; {package} may be imported only in {', '.join(sorted(ONLY_IN[package]))}"
    if package != PACKAGE or (room, each.imported) in EXCEPTIONS:
        return None
    other = room_of(each.imported)
    if other != room and other not in MAY_IMPORT[room]:
        return f"{each}; {room} may import only {', '.join(sorted(MAY_IMPORT[room])) or 'its own modules'}"
    return None


def _circles(found: list[Import]) -> list[str]:
    """List the imports that close a circle of modules."""
    imports = {(each.module, each.imported): each for each in found if each.imported.startswith(PACKAGE)}
    below: dict[str, set[str]] = {}
    for module, imported in imports:
        below.setdefault(module, set()).add(imported)

    def reaches(module: str, wanted: str, seen: set[str]) -> bool:
        if module == wanted:
            return True
        seen.add(module)
        return any(reaches(each, wanted, seen) for each in below.get(module, ()) if each not in seen)

    return [
        f"{each}; that closes a circle"
        for (module, imported), each in imports.items()
        if reaches(imported, module, set())
    ]


def _taken_names() -> list[str]:
    """List modules that bear the name of a standard module or of an installed package."""
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    paths = sorted((PLUGINS / PACKAGE).rglob("*"))
    modules = [path for path in paths if path.suffix == ".py" or (path / "__init__.py").is_file()]
    return [
        f"{path.relative_to(PLUGINS.parent)}: {path.stem} is the name of another module, which it could replace"
        for path in modules
        if path.stem in taken
    ]


def drawing() -> str:
    """Draw the rooms, and an arrow for each room that another imports, as Mermaid."""
    arrows = {
        (room_of(each.module), room_of(each.imported)) for each in all_imports() if each.imported.startswith(PACKAGE)
    }
    lines = [f"    {room} --> {other}" for room, other in sorted(arrows, key=_floors) if room != other]
    return "\n".join(["graph TD", *lines])


def _floors(arrow: tuple[str, str]) -> tuple[int, int]:
    floors = list(MAY_IMPORT)
    return -floors.index(arrow[0]), -floors.index(arrow[1])


if __name__ == "__main__":
    print(drawing())
    print(*problems(), sep="\n")
