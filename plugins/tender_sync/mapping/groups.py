"""Groups of things that are connected by what they share."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def connected_groups(items: Iterable[T], keys_of: Callable[[T], Iterable[Hashable]]) -> list[list[T]]:
    """Group the items that share a key, directly or through other items.

    `keys_of` returns the keys of one item. An item without keys is a group of its own. Groups are in the order of their
    first items, and the items of a group in the order given. The time is nearly linear in the number of keys.
    """
    given = list(items)
    parents = list(range(len(given)))  # a union-find: each item points towards the first item of its group

    def first_of_group(item: int) -> int:
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    first_with_key: dict[Hashable, int] = {}
    for place, item in enumerate(given):
        for key in keys_of(item):
            ours, theirs = first_of_group(place), first_of_group(first_with_key.setdefault(key, place))
            parents[max(ours, theirs)] = min(ours, theirs)
    groups: dict[int, list[T]] = {}
    for place, item in enumerate(given):
        groups.setdefault(first_of_group(place), []).append(item)
    return list(groups.values())
