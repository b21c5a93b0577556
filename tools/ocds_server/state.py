"""Keeps what is published in a file of JSON lines, so that the next run of a demo goes on with the same world.

The first line holds the arguments of the generated world; each further line is one publication. A last line that a
killed process left incomplete is dropped: its publication was not announced.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from .catalogue import Catalogue, Publication


class StateFile:
    """A state file; `begin` makes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def world(self) -> dict[str, Any] | None:
        """Return the world's arguments; `None` in a first run."""
        lines = self._lines()
        return lines[0]["world"] if lines else None

    def begin(self, world: dict[str, Any]) -> None:
        """Start the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"world": world}) + "\n")

    def replay(self, catalogue: Catalogue) -> None:
        """Publish into a catalogue what earlier runs published, and keep what it publishes from now on."""
        lines = self._lines()
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        for line in lines[1:]:
            when = datetime.fromisoformat(line["when"])
            catalogue.publish(line["source"], line["release"], when=when, in_place=line["in_place"])
        catalogue.on_publish = self._keep

    def _keep(self, publication: Publication, in_place: bool) -> None:
        when = publication.when.isoformat() if publication.when else None
        row = {"source": publication.source, "when": when, "in_place": in_place, "release": publication.release}
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _lines(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        text = self.path.read_text()
        complete = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in complete.splitlines()]
