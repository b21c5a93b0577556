"""Sends the counts of runs as Airflow's metrics: to StatsD or OpenTelemetry, as Airflow is configured, or nowhere.

The source is part of the name (`tender_sync.find_a_tender.pages`) because plain StatsD has no tags.
"""

from collections import Counter

from airflow.sdk.observability import stats

from tender_sync import run_meter
from tender_sync.sources.base import Source

# A page's count, and the last part of its metric's name.
COUNTERS = {name: name for name in run_meter.COUNTERS} | {"fetched": "releases", "waitedSeconds": "waited_seconds"}


def count_page(source: Source, counts: Counter[str]) -> None:
    """Add a committed page's counts to the counters."""
    for name, metric in COUNTERS.items():
        if counts[name] > 0:
            stats.incr(f"tender_sync.{source.dag_id}.{metric}", counts[name])


def gauge_age(source: Source, seconds: float) -> None:
    """Set the gauge of how old a source's watermark is."""
    stats.gauge(f"tender_sync.{source.dag_id}.watermark_age_seconds", seconds)
