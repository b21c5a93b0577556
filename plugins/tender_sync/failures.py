"""Our errors as Airflow knows them; the sentence is all there is to say, so no traceback of causes follows it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from tender_sync.errors import FixSetup, SkipRun, StopRun, TellSomebody

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def as_airflow_knows_it() -> Iterator[None]:
    """Turn an error of ours into Airflow's: skip the task, fail it for good, or fail it and let it be retried."""
    try:
        yield
    except SkipRun as skipped:
        raise AirflowSkipException(str(skipped)) from None
    except (FixSetup, TellSomebody) as failure:
        raise AirflowFailException(str(failure)) from None
    except StopRun as failure:
        raise AirflowException(str(failure)) from None
