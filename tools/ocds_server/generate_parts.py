"""The parts that Find a Tender's notices share under both sets of rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from .find_a_tender import LONDON
from .organisations import FTS_BUYER_SCHEMES, FTS_SUPPLIER_SCHEMES, Organisation, Register

if TYPE_CHECKING:
    from random import Random

    from .words import Subject

_DOCUMENTS: Final = {
    "UK1": ("plannedProcurementNotice", "Pipeline notice"),
    "UK2": ("marketEngagementNotice", "Preliminary market engagement notice"),
    "UK3": ("plannedProcurementNotice", "Planned procurement notice"),
    "UK4": ("tenderNotice", "Tender notice"),
    "UK5": ("awardNotice", "Transparency notice"),
    "UK6": ("awardNotice", "Contract award notice"),
    "UK7": ("contractNotice", "Contract details notice"),
    "UK10": ("contractNotice", "Contract change notice"),
    "UK11": ("contractTerminationNotice", "Contract termination notice"),
    "UK12": ("tenderCancellationNotice", "Procurement termination notice"),
    "UK14": ("awardNotice", "Dynamic market establishment notice"),
    "UK15": ("awardNotice", "Dynamic market modification notice"),
}


def london(when: datetime, days: float = 0) -> str:
    """Write a time as both services do: London local time with its offset, `Z` in winter."""
    local = (when + timedelta(days=days)).astimezone(LONDON)
    return local.isoformat(timespec="seconds").replace("+00:00", "Z")


def end_of_day(when: datetime, days: float) -> str:
    """Write the last second of a London day."""
    local = (when + timedelta(days=days)).astimezone(LONDON)
    return london(local.replace(hour=23, minute=59, second=59, fold=0).astimezone(UTC))


@dataclass
class Process:
    """One contracting process: what its notices have in common."""

    ocid: str
    regime: str
    buyer: Organisation
    subject: Subject
    title: str
    net: float
    supplier: Organisation
    stages: list[str] = field(default_factory=list)


class NoticeParts:
    """Draws the parts that notices share; a writer's notices are numbered one after the other."""

    def __init__(self, random: Random, *, first: int = 1) -> None:
        self._random = random
        self._register = Register(random, FTS_BUYER_SCHEMES, FTS_SUPPLIER_SCHEMES)
        self._number = first - 1

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _party(self, organisation: Organisation, role: str) -> dict[str, Any]:
        party: dict[str, Any] = {
            "name": organisation.name,
            "id": organisation.id,
            "identifier": {"scheme": organisation.scheme, "id": organisation.number},
            "address": {
                "streetAddress": "Town Hall",
                "locality": organisation.place.name,
                "postalCode": organisation.place.postcode,
                "country": "GB",
                "countryName": "United Kingdom",
                "region": organisation.place.itl,
            },
            "contactPoint": {"name": "Procurement Team", "email": organisation.mail, "telephone": "01632 960001"},
            "roles": [role],
        }
        if organisation.scheme == "GB-FTS":
            party["identifier"] = {"legalName": organisation.name}
        if role == "supplier":
            party["details"] = {"scale": "sme", "vcse": False}
        return party

    def _value(self, net: float) -> dict[str, Any]:
        value: dict[str, Any] = {"amountGross": round(net * 1.2, 2), "amount": net, "currency": "GBP"}
        if self._chance(0.18):  # amountGross stands alone in 18 % of the Act's tenders
            del value["amount"]
        if self._chance(0.01):
            value["currency"] = "EUR"
        return value

    def _items(self, process: Process) -> list[dict[str, Any]]:
        subject, place = process.subject, process.buyer.place
        classifications = [{"scheme": "CPV", "id": subject.cpv, "description": subject.cpv_description}]
        if self._chance(0.3):
            classifications.append({"scheme": "CPV", "id": subject.other_cpv, "description": subject.title})
        return [
            {
                "id": "1",
                "additionalClassifications": classifications,
                "deliveryAddresses": [{"region": place.itl, "country": "GB", "countryName": "United Kingdom"}],
                "relatedLot": "1",
            }
        ]

    def _period(self, when: datetime) -> dict[str, str]:
        return {"startDate": london(when, 60), "endDate": end_of_day(when, 60 + 365)}

    def _notice(self, release: dict[str, Any], kind: str) -> dict[str, Any]:
        document_type, description = _DOCUMENTS[kind]
        return {
            "id": release["id"],
            "documentType": document_type,
            "noticeType": kind,
            "description": f"{description} on Find a Tender",
            "url": f"https://www.find-tender.service.gov.uk/Notice/{release['id']}",
            "datePublished": release["date"],
            "format": "text/html",
        }

    def _amend(self, part: dict[str, Any], notice_id: str) -> None:
        part["amendments"] = [{"id": notice_id, "description": "Dates corrected"}]
