"""What a source is: one frozen record of its API, its windows and its pace."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from tender_sync.windows import WindowRules


class RegionPlace(Enum):
    """Where a publisher's releases state the region of a contract."""

    BUYER = "the address of the buyer"
    DELIVERY = "the addresses to deliver to"


@dataclass(frozen=True, kw_only=True)
class PublisherRules:
    """What one publisher does differently in its releases."""

    # The address of a notice's public page is `https://{page_host}{page_path}` and an id that matches `page_id`.
    page_host: str
    page_path: str
    page_id: re.Pattern[str]
    # For a publisher that keeps a guid through all versions of a notice: matches the release id of one version. The
    # group `guid` is what the versions share, and the page's id. None where a release id is the page's id as it stands.
    versioned_id: re.Pattern[str] | None
    region: RegionPlace
    states_value_basis: bool  # amounts say whether they include VAT
    states_regime: bool  # `tender.legalBasis.scheme` says which rules the procurement follows
    # The prefix of ids that count registrations with the publisher's service: an organisation may have several of them.
    own_register: str

    def guid_of(self, notice_id: str) -> str | None:
        """Return what the versions of a notice share: the guid in its id, or the id where it holds none.

        None for a publisher that has no guids.
        """
        if self.versioned_id is None:
            return None
        versioned = self.versioned_id.fullmatch(notice_id)
        return versioned["guid"] if versioned else notice_id


class Action(Enum):
    """What to do about an answer that is not a page."""

    RETRY = "ask again after a wait; when it keeps failing, read a smaller window next time"
    READ_AGAIN = "the cursor is refused: begin the window again, in smaller pieces"
    STOP = "stop the run; a person may have to look"


@dataclass(frozen=True)
class StatusRule:
    """What one HTTP status asks for, and the least wait in seconds where the answer names none."""

    action: Action
    wait: float | None = None


# 429, 503, 504: Find a Tender's documentation; the other 5xx are treated alike because nothing else helps there.
COMMON_STATUSES: Mapping[int, StatusRule] = {
    **dict.fromkeys((408, 425, *range(500, 600)), StatusRule(Action.RETRY)),
    429: StatusRule(Action.RETRY, wait=120),
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One publisher's OCDS release feed."""

    name: str
    title: str
    dag_id: str
    http_conn_id: str
    base_url: str
    path: str
    history_start: datetime
    pace: float  # seconds: `burst` requests may start in any `burst * pace` seconds
    burst: int
    windows: WindowRules
    # Matches a release id, with the groups `number` and `year`; None where the source does not number its notices.
    notice_number: re.Pattern[str] | None = None
    # Windows of an audit: of another size than the sync's, so that what hid in those shows here.
    audit_span: timedelta = timedelta(hours=2)
    # An hourly sync that has not got through for this long needs a person.
    max_age: timedelta = timedelta(hours=3)
    statuses: Mapping[int, StatusRule] = field(default_factory=lambda: COMMON_STATUSES)
    publisher: PublisherRules


LONDON = ZoneInfo("Europe/London")
