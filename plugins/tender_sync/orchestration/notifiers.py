"""A notifier that needs no service: it writes to a file. Airflow's others (SMTP, Slack …) can take its place."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import BaseNotifier, Context


class AppendToFile(BaseNotifier):
    """Appends one line of JSON (at, dag, task, run, message) to a file when a task fails.

    :param path: the file; by default the one TENDER_SYNC_NOTIFICATIONS names, or notifications.jsonl in AIRFLOW_HOME
    """

    def __init__(self, path: str | None = None) -> None:
        super().__init__()
        self.path = path

    def notify(self, context: Context) -> None:
        """Append the line for the failed task."""
        task = context["ti"]
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "dag": task.dag_id,
            "task": task.task_id,
            "run": task.run_id,
            "message": str(context.get("exception") or ""),
        }
        airflow_home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
        path = self.path or os.environ.get("TENDER_SYNC_NOTIFICATIONS") or airflow_home / "notifications.jsonl"
        with Path(path).open("a") as file:
            file.write(f"{json.dumps(line)}\n")
