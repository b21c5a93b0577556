"""Rules that choose requests, and a registry of the faults to apply to them.

A fault is a function from an `Exchange` to the answer to send instead, or `None` if it cannot act (a page without a
next link cannot lose it); such a request does not count. The faults are in `fault_answers`, `fault_bodies` and
`fault_paging`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from .answer import Answer, Paging, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .catalogue import Catalogue


@dataclass
class Exchange:
    """One request being answered, as a fault sees it."""

    source: str
    query: Query
    catalogue: Catalogue
    serve: Callable[[Query, Paging], Answer]
    memory: dict[Any, Any] = field(default_factory=dict)
    """What the active rule keeps from request to request."""
    replaced: Answer | None = None

    @cached_property
    def honest(self) -> Answer:
        """The answer as it would be without faults."""
        return self.serve(self.query, Paging())

    @property
    def answer(self) -> Answer:
        """The answer to send."""
        return self.honest if self.replaced is None else self.replaced

    def again(self, paging: Paging) -> Answer:
        """Answer the same request with pages cut differently."""
        return self.serve(self.query, paging)


REGISTRY: dict[str, Callable[..., Answer | None]] = {}


def fault(function: Callable[..., Answer | None]) -> Callable[..., Answer | None]:
    """Register a fault under its function's name."""
    REGISTRY[function.__name__] = function
    return function


@dataclass
class Rule:
    """One fault, and the requests it applies to.

    These are the requests of `source` (any by default), with a cursor if `cursor` is true, without if it is false. Of
    them it takes every `every`-th, with `probability` (random numbers seeded by `seed`), at most `times`, counted in
    `hits`.
    """

    name: str
    source: str | None = None
    times: int | None = None
    every: int = 1
    probability: float = 1.0
    seed: int = 0
    cursor: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    hits: int = 0
    seen: int = 0
    memory: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in REGISTRY:
            raise ValueError(f"no fault is called {self.name!r}; there are: {', '.join(sorted(REGISTRY))}")
        self._random = Random(self.seed)

    def apply(self, exchange: Exchange) -> Answer | None:
        """Apply the fault if the exchange is one of the rule's; returns the answer to send instead, or `None`."""
        if not self._wants(exchange):
            return None
        exchange.memory = self.memory
        spoiled = REGISTRY[self.name](exchange, **self.options)
        if spoiled is not None:
            self.hits += 1
        return spoiled

    def _wants(self, exchange: Exchange) -> bool:
        has_cursor = "cursor" in exchange.query.params
        if self.source not in (None, exchange.source) or self.cursor not in (None, has_cursor):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.seen += 1
        return self.seen % self.every == 0 and self._random.random() < self.probability


class Faults:
    """The active rules. A request meets at most one fault: that of the first rule that takes it and can act."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        *,
        source: str | None = None,
        times: int | None = None,
        every: int = 1,
        probability: float = 1.0,
        seed: int = 0,
        cursor: bool | None = None,
        **options: Any,
    ) -> Rule:
        """Make the fault `name` happen; see `Rule`. `options` are the fault's own.

        Raises ValueError for an unknown name.
        """
        rule = Rule(name, source, times, every, probability, seed, cursor, options)
        with self._lock:
            self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Take every rule away."""
        with self._lock:
            self.rules.clear()

    def apply(self, exchange: Exchange) -> str | None:
        """Apply the first fault that can act; returns its name, or `None`."""
        with self._lock:
            for rule in self.rules:
                exchange.replaced = rule.apply(exchange)
                if exchange.replaced is not None:
                    return rule.name
        return None
