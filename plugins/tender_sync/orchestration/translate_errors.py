"""Turns our errors into Airflow's. The message says everything, so no traceback of causes follows it."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from tender_sync.errors import AlertOperator, FailRun, FixSetup, SkipRun


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn our errors into Airflow's: skip the task, fail it for good, or fail it so that Airflow retries it."""
    try:
        yield
    except SkipRun as skipped:
        raise AirflowSkipException(str(skipped)) from None
    except (FixSetup, AlertOperator) as failure:
        raise AirflowFailException(str(failure)) from None
    except FailRun as failure:
        raise AirflowException(str(failure)) from None
