"""The simulations behind docs/PERFORMANCE.md, on histories small enough for a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tender_sync.sources import FIND_A_TENDER, SOURCES
from tools.bench import pacing
from tools.bench.figures import Figure, keep, table
from tools.bench.history import HONEST, TODAY, History, Loss
from tools.bench.walks import Walker


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("loss", [HONEST, Loss(hours=24), Loss(last_page=2)], ids=["honest", "long windows", "no link"])
def test_a_history_is_walked_whole(name, loss):
    """Contracts Finder's notices have no numbers, so what its long windows might hide cannot be known."""
    source = replace(SOURCES[name], history_start=TODAY - timedelta(days=40))
    walker = Walker(History(source, 10_000, loss=loss))
    requests = walker.run()
    if name == FIND_A_TENDER.name or loss.hours > 24:
        assert walker.missing == 0
    if loss is HONEST:
        assert requests <= 1.3 * 100
    assert len(walker.history.times) == pytest.approx(10_000, rel=0.03)


def test_the_rate_allowed_is_used_and_kept(monkeypatch):
    monkeypatch.setattr(pacing, "HOURS", 1)
    monkeypatch.setattr(pacing, "HISTORY", 100_000)
    figures = list(pacing.measure())
    assert len(figures) == 8
    assert [figure.value for figure in figures if figure.unit == "requests"] == [0] * 4
    assert min(figure.value for figure in figures if not figure.unit) > 0.97


@pytest.mark.parametrize(("value", "target", "met"), [(1.0, "<= 1", True), (1.1, "<= 1", False), (1, "", None)])
def test_a_figure_knows_whether_its_target_is_met(value, target, met):
    figure = Figure("part", "name", value, target=target)
    assert figure.met is met
    assert ("MISSED" in table([figure])) == (met is False)


def test_figures_of_parts_not_measured_are_kept(tmp_path):
    file = tmp_path / "folder" / "bench.json"
    keep([Figure("a", "x", 1), Figure("b", "y", 2)], file)
    keep([Figure("b", "z", 3)], file)
    assert '"x"' in file.read_text()
    assert '"y"' not in file.read_text()
