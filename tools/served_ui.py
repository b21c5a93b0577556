"""Serves Airflow with its UI and logins to tests: `python -m tools.served_ui FOLDER NAME=VALUE…`; SIGTERM ends it.

It is a process of its own, like the demo's worker, so that none of Airflow's processes outlives the tests. Every DAG
is paused. The settings are added to Airflow's environment. When all is ready, it prints one line of JSON: the address
of the UI, the address, database and process id of MongoDB; or why it failed.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tools.airflow_ui import start_ui
from tools.mongod import free_port
from tools.options import Options
from tools.processes import Stopped, become_worker, end_descendants
from tools.stack import Failed, running_stack
from tools.tour import settings

# About 30 requests of Find a Tender, of which 12 are made at once, and 20 of Contracts Finder.
DAYS, PER_DAY = 30, 60
USERS = {"anna": "admin", "vera": "viewer", "nora": ""}


def main() -> int:
    """Serve until told to stop."""
    folder, given = Path(sys.argv[1]), dict(setting.split("=", 1) for setting in sys.argv[2:])
    options = Options(show="ui", folder=folder, releases=None, days=DAYS, per_day=PER_DAY, budget=0)
    try:
        become_worker()
        with running_stack(options) as stack:
            stack.pause()
            passwords = folder / "passwords.json"
            passwords.write_text(json.dumps({name: f"{name}-password" for name in USERS}))
            environment = settings(datetime.now(UTC) - timedelta(days=DAYS)) | {
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            }
            ui = start_ui(stack, environment | given, free_port())
            ready = {"address": ui.address, "mongo": stack.mongod.uri, "database": stack.db.name}
            print(json.dumps(ready | {"pid": stack.mongod.pid}), flush=True)
            ui.watch()
    except Stopped as stopped:
        return stopped.exit_code
    except Failed as failure:
        print(json.dumps({"failed": str(failure)}), flush=True)
        return 1
    finally:
        end_descendants()


if __name__ == "__main__":
    sys.exit(main())
