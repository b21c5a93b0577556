"""Parses timestamps that people write in forms, in the environment and in sync jobs."""

from datetime import UTC, datetime

from tender_sync.errors import FixSetup


def parse_timestamp(text: str, name: str) -> datetime:
    """Read a moment written by people: ISO 8601, UTC unless it says otherwise.

    :raises FixSetup: it is none
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, AttributeError):
        raise FixSetup(
            f"{name} is {text!r}; expected a date such as 2021-01-01 or 2021-01-01T06:00:00Z (ISO 8601, UTC). "
            "Correct or unset it"
        ) from None
    return whole_second(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def whole_second(moment: datetime) -> datetime:
    """Cut a moment down to the whole UTC second, the finest both APIs can be asked for."""
    return moment.astimezone(UTC).replace(microsecond=0)
