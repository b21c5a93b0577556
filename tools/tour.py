"""The demo's worker: shows backfill, transition and sync of both sources, and checks the result release by release."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError

from tender_sync.sources import SOURCES
from tools.airflow_ui import show_ui
from tools.dag_runs import run_dags
from tools.ocds_server.catalogue import parse_date
from tools.ocds_server.state import StateFile
from tools.options import parse, shown
from tools.oracle import differences, expect, shown_by
from tools.processes import Stopped, become_worker, end_descendants
from tools.stack import DIRTY, Failed, running_stack
from tools.summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from tender_sync.sources.base import Source
    from tools.options import Options
    from tools.stack import Server, Stack

# Between backfill and sync each source publishes this many new notices (none where real ones are served) and updates,
# and changes one notice that keeps its id.
PUBLISHED, UPDATED = 5, 2
LIVE_PARAMS = {"max_items_per_run": 300, "time_budget_minutes": 5}
LIVE_SPAN = timedelta(days=2)
# A backfill that is not complete after this many more runs makes no progress.
MOST_RUNS = 5
DIFFERENCES_SHOWN = 10
# No notice of either service is older. A history from the year 1 would have three million windows.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def main() -> int:
    """Show what the command line asks for; returns the exit code."""
    options = parse()
    try:
        become_worker()
        _show(options)
    except Stopped as stopped:
        print("\nstopped: nothing is left running, the data stay, and the same command goes on from here", flush=True)
        return stopped.exit_code
    except Failed as failure:
        print(f"\nFAILED: {failure}", flush=True)
        return 1
    except PyMongoError as error:
        met = str(error).partition(" (configured timeouts")[0][:300]
        print(f"\nFAILED: MongoDB: {met}; its log is {shown(options.folder / 'mongo' / 'mongod.log')}", flush=True)
        return 1
    except OSError as error:
        print(f"\nFAILED: {error.strerror}: {shown(Path(error.filename or options.folder))}", flush=True)
        return 1
    finally:
        end_descendants()
    return 0


def _show(options: Options) -> None:
    began = time.monotonic()
    servers = "mongod and Airflow" if options.show == "live" else "mongod, the local OCDS server and Airflow"
    print(f"starting {servers}; all state is in {shown(options.folder)}", flush=True)
    with running_stack(options) as stack:
        where = f"MongoDB at {stack.mongod.uri}" + (f", OCDS server at {stack.server.url}" if stack.server else "")
        print(f"  {where} ({time.monotonic() - began:.0f} s)", flush=True)
        if stack.server is None:
            _live(stack)
            return
        starts = _starts(options, stack.server)
        if options.show == "ui":
            show_ui(stack, settings(min(starts.values())))
        _demo(options, stack, stack.server, {name: settings(start) for name, start in starts.items()})
    print(
        f"\nDone in {time.monotonic() - began:.0f} s, and nothing is left running. The data stay in "
        f"{shown(options.folder / 'mongo')}:\n`make demo` goes on from here, `make ui` shows them in Airflow, "
        "`make clean` forgets them.",
        flush=True,
    )


def _demo(options: Options, stack: Stack, server: Server, settings: dict[str, dict[str, str]]) -> None:
    odd = "" if options.releases else f"one notice in {1 / DIRTY:.0f} is odd on purpose; "
    print(f"  {odd}rejected: cannot become a contract, and is kept; doubled: twice on one page", flush=True)
    if _backfill(options, stack, settings):
        _compare(stack, server)
    with _step("new notices are published"):
        for source in SOURCES.values():
            print(f"  {source.title:<17} {_publish(server, source, real=options.releases is not None)}", flush=True)
    with _step("the next run of each DAG fetches them"):
        _run(stack, list(SOURCES.values()), {}, settings)
    _compare(stack, server)
    print(f"\nnow in MongoDB, database {stack.db.name}:\n\n{summary(stack.db)}", flush=True)


def _backfill(options: Options, stack: Stack, settings: dict[str, dict[str, str]]) -> bool:
    """Run the DAGs until both sources are syncing; return whether anything was left to do."""
    jobs = {job["source"]: job for job in stack.db["syncJobs"].find()}
    new = [source for source in SOURCES.values() if source.name not in jobs]
    if new:
        with _step(f"backfill: a first run of each DAG, ended after {options.budget:,} releases by its item budget"):
            _run(stack, new, {"max_items_per_run": options.budget}, settings)
    for number in range(MOST_RUNS):
        behind = _behind(stack.db)
        if not behind:
            return bool(new or number)
        with _step("backfill: the next run of each DAG continues where the last one stopped"):
            _run(stack, behind, {}, settings)
    raise Failed(f"after {MOST_RUNS} more runs the backfill is still not complete; see {shown(stack.logs)}")


def _behind(db: Database[dict[str, Any]]) -> list[Source]:
    complete = db["syncJobs"].distinct("source", {"backfillCompletedAt": {"$ne": None}})
    return [source for source in SOURCES.values() if source.name not in complete]


def _run(stack: Stack, which: list[Source], params: dict[str, Any], settings: dict[str, dict[str, str]]) -> None:
    if failures := run_dags(stack, which, params, settings):
        raise Failed("\n".join(failures))


def _publish(server: Server, source: Source, *, real: bool) -> str:
    """Let the server publish new notices and updates, and edit one notice in place; return what it did, in words."""
    *others, edited = server.ask("GET", f"existing?source={source.name}") or [None]
    updated = others[-UPDATED:]
    said = []
    if not real:
        server.ask("POST", "publish", {"source": source.name, "count": PUBLISHED})
        said.append(f"{PUBLISHED} new notices")
    for notice_id in updated:
        server.ask("POST", "change", {"source": source.name, "id": notice_id})
    if updated:
        said.append(f"updates of {' and '.join(updated)}")
    if edited:
        server.ask("POST", "change", {"source": source.name, "id": edited, "in_place": True})
        said.append(f"{edited} changed in place")
    return ", ".join(said)


def _compare(stack: Stack, server: Server) -> None:
    with _step("check: does MongoDB hold what the server has, release by release?"):
        expected = [expect(source.name, shown_by(server, source)) for source in SOURCES.values()]
        found = differences(stack.db, expected, now=datetime.now(UTC))
        unannounced = {"backfillCompletedAt": {"$ne": None}, "transitionAnnouncedBy": None}
        found += [
            f"{job['source']}: its transition was never announced" for job in stack.db["syncJobs"].find(unannounced)
        ]
        if found:
            listed = "\n  ".join(found[:DIFFERENCES_SHOWN])
            raise Failed(f"MongoDB and the server differ in {len(found)} points, for example\n  {listed}")
        for each, source in zip(expected, SOURCES.values(), strict=True):
            earlier = stack.db["contracts"].count_documents({"source": source.name}) - len(each.contracts)
            print(
                f"  {source.title:<17} yes: syncing, {len(each.contracts):,} releases equal, {len(each.rejected)} "
                f"kept as rejected, {earlier} older versions stored",
                flush=True,
            )
        buyers = stack.db["buyers"].count_documents({})
        print(f"  {'buyers':<17} yes: {buyers:,}, each with the right number of contracts", flush=True)


def _live(stack: Stack) -> None:
    settings = {"BACKFILL_START_DATE": f"{datetime.now(UTC) - LIVE_SPAN:%Y-%m-%d}"}
    limits = (
        f"at most about {LIVE_PARAMS['max_items_per_run']} releases or {LIVE_PARAMS['time_budget_minutes']} minutes"
    )
    with _step(f"one run of each DAG against the real services, at their pace: {limits}"):
        failures = run_dags(
            stack, SOURCES.values(), LIVE_PARAMS, {source.name: settings for source in SOURCES.values()}
        )
    print(f"\nnow in MongoDB, database {stack.db.name}:\n\n{summary(stack.db)}", flush=True)
    if failures:
        raise Failed("\n".join(failures))


def settings(start: datetime) -> dict[str, str]:
    """Return the sync's settings for a history that begins at `start`, read without a pause between requests."""
    return {"BACKFILL_START_DATE": start.isoformat(), "SYNC_PACE_SECONDS": "0"}


def _starts(options: Options, server: Server) -> dict[str, datetime]:
    """Return the day on which each source's history begins."""
    if options.releases is None:
        world = StateFile(options.folder / "server.json").world() or {}
        start = datetime.fromisoformat(world["start"])
        return {source.name: start for source in SOURCES.values()}
    starts = {}
    for source in SOURCES.values():
        dates = server.ask("GET", f"existing?source={source.name}").values()
        first = min(filter(None, map(parse_date, dates)), default=datetime.now(UTC))
        if first < EARLIEST:
            raise Failed(f"{options.releases} holds a notice dated {first:%Y-%m-%d}; expected {EARLIEST.year} or later")
        starts[source.name] = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if not any(server.ask("GET", "status")["releases"].values()):
        raise Failed(f"{options.releases} holds no notices of either service")
    return starts


@contextmanager
def _step(title: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"\n{title}", flush=True)
    yield
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
