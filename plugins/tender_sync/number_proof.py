"""Do the notice numbers found in a window show that it is whole? Pure.

Find a Tender numbers its notices as it publishes them, from 1 in every year. So a window that lost some has gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# A notice number is kept as year * NUMBERS_A_YEAR + number, so that it grows over the years.
NUMBERS_A_YEAR = 10_000_000
# Of the 461 numbers of the recorded 10 August 2026 two were never published. Kingfisher's losses were many times that.
ONE_NUMBER_UNUSED_IN = 50


@dataclass(frozen=True)
class NumberProof:
    """The new notice numbers met in a window so far: how many (`count`), and the `highest` of them."""

    count: int = 0
    highest: int | None = None

    def with_page(self, numbers: frozenset[int], *, after: int | None) -> NumberProof:
        """Add the numbers of a page; those up to `after`, where the window before ended, are not new."""
        new = sum(after is None or number > after for number in numbers)
        return NumberProof(self.count + new, max(numbers | ({self.highest} if self.highest else set()), default=None))

    def gap(self, *, after: int | None) -> str | None:
        """Say why these numbers do not show that all from `after` on were met; None when they do.

        A few numbers are never published (`ONE_NUMBER_UNUSED_IN`).
        """
        if after is None or self.highest is None or self.highest < after:
            return "it has no notice numbers"
        if self.highest // NUMBERS_A_YEAR > after // NUMBERS_A_YEAR:
            return "a year ends in it, and how many numbers the old year had is not known"
        missing = self.highest - after - self.count
        if missing > self.count // ONE_NUMBER_UNUSED_IN:
            return f"{missing} of the {self.highest - after} notice numbers up to {self.highest} are missing"
        return None


def notice_numbers(pattern: re.Pattern[str] | None, releases: Iterable[Any]) -> frozenset[int]:
    """Return the notice numbers of `releases`; none where the source has no numbers (`pattern` is None).

    `pattern` has the groups `number` and `year`, and matches a whole release id.
    """
    if pattern is None:
        return frozenset()
    ids = (release.get("id") for release in releases if isinstance(release, dict))
    found = (pattern.fullmatch(each) for each in ids if isinstance(each, str))
    return frozenset(int(met["year"]) * NUMBERS_A_YEAR + int(met["number"]) for met in found if met)
