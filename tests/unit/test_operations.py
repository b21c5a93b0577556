"""docs/OPERATIONS.md has a row for every message this package can write to a task's log, and no row for any other."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tender_sync.run_outcome import Outcome
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = ROOT / "plugins" / "tender_sync"
LEVELS = {"info", "warning", "error"}
# What raises or makes the sentences that people come to read; `_refuse` and `_message` are helpers that do.
SPEAKERS = {
    "FailRun",
    "FixSetup",
    "RetrySmallerWindow",
    "FinishEarly",
    "SkipRun",
    "ReadAgain",
    "AlertOperator",
    "RejectedRelease",
    "NotAPackage",
    "BrokenPackage",
    "AirflowSkipException",
    "_refuse",
    "_message",
}
GAP = "…"
# A row may stop where a message goes on; so much of it must stand there.
LEAST = 8


def said(node: ast.expr) -> str | None:
    """Return the text of a literal, with `…` for each value in it; None for what is no literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-\d.]*[sdf]", GAP, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(said(part) or GAP for part in node.values)
    return None


def told_of(node: ast.Call) -> str | None:
    """Return the name of what is called, if it is one that speaks to people."""
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", None)
    if name in LEVELS and isinstance(function, ast.Attribute):
        return name if ast.unparse(function.value) in {"log", "self.log"} else None
    return name if name in SPEAKERS else None


def messages() -> Iterator[tuple[str, str]]:
    """Find every message: where it is written, and its words, values left out."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and told_of(node):
                words = said(node.args[0])
                # A message made of nothing but values is another one's, passed on.
                if words and re.search(r"[a-z]{3}", words.replace(GAP, "")):
                    yield f"{file.name}:{node.lineno}", _plain(words)

    yield from (("run_outcome.py", str(outcome)) for outcome in Outcome)


def rows() -> list[str]:
    """Return the first cell of every row of the tables of messages."""
    text = (ROOT / "docs" / "OPERATIONS.md").read_text()
    part = text[text.index("## Messages") :]
    part = part[: part.find("\n## ", 3)]
    return [_plain(row) for row in re.findall(r"^\| `(.+?)` \|", part, flags=re.MULTILINE)]


def _plain(words: str) -> str:
    return re.sub(r"\s+", " ", re.sub(rf"{GAP}+", GAP, words.replace("`", "'"))).strip()


def covers(row: str, words: str) -> bool:
    return words.startswith(row) and len(row.replace(GAP, "").strip()) >= min(
        LEAST, len(words.replace(GAP, "").strip())
    )


def test_every_message_has_a_row():
    documented = rows()
    found = list(messages())
    assert len(found) > 60, "messages are looked for where they no longer are"
    lost = [f"{where}: {words[:110]}" for where, words in found if not any(covers(row, words) for row in documented)]
    assert lost == [], "add a row to docs/OPERATIONS.md, Messages, that begins as each of these does (… for a value)"


def test_every_row_is_of_a_message():
    found = [words for _, words in messages()]
    gone = [row for row in rows() if not any(covers(row, words) for words in found)]
    assert gone == [], "these rows of docs/OPERATIONS.md are of no message any more: correct or remove them"


def test_every_row_says_meaning_and_action():
    text = (ROOT / "docs" / "OPERATIONS.md").read_text()
    for line in re.findall(r"^\| `.+$", text, flags=re.MULTILINE):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        assert all(cells), f"a cell of this row is empty: {line}"
