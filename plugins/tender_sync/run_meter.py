"""What a run has used and done: the names of all counters, and the counts that no commit has stored yet."""

from collections import Counter
from collections.abc import Mapping

# What became of the releases fetched: `fetched` is the sum of the others.
RELEASE_COUNTERS = ("fetched", "created", "updated", "unchanged", "rejected", "doubled")
# And what reading them cost.
COUNTERS = (*RELEASE_COUNTERS, "requests", "pages", "windows", "bytes", "waitedSeconds")


class RunMeter:
    """Counts what one run uses, as it uses it; a commit stores the counts and then takes them off.

    `total` is what the commits of this run have stored.
    """

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self._used: dict[str, float] = {}

    def add(self, **counts: float) -> None:
        """Count what was used; `waitedSeconds` may be fractions, which add up."""
        for name, count in counts.items():
            self._used[name] = self._used.get(name, 0.0) + count

    def uncommitted(self) -> Counter[str]:
        """Return what no commit has stored yet, in whole numbers."""
        return Counter({name: round(count) for name, count in self._used.items()})

    def committed(self, counts: Mapping[str, int]) -> None:
        """Take off what a commit has stored: `counts` are all that it stored, those of its releases among them."""
        self.total.update(counts)
        for name in self._used:
            self._used[name] -= counts.get(name, 0)


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return a run's counts in words."""
    return (
        "{fetched} fetched = {created} new + {updated} changed + {unchanged} unchanged + {rejected} rejected + "
        "{doubled} doubled; {requests} requests, {windows} windows, {waitedSeconds} s waited"
    ).format_map(Counter(counts))
