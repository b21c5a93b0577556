"""Contracts Finder notices, shaped and mixed as in 200 releases of two days of 2025."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from .generate_parts import end_of_day, london
from .organisations import CF_BUYER_SCHEMES, CF_SUPPLIER_SCHEMES, Organisation, Register, amount, any_of
from .words import SUBJECTS

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

_NOTICES_KEPT = 200
# Measured: award 139, tender 39, awardUpdate 8, planning 7, tenderAmendment 7.
_KINDS = {"award": 139, "tender": 39, "awardUpdate": 8, "planning": 7, "tenderAmendment": 7}
_UPDATES = {"awardUpdate": "award", "tenderAmendment": "tender"}
_DOCUMENTS = {
    "planned": ("plannedProcurementNotice", "Future opportunity notice"),
    "planning": ("marketEngagementNotice", "Early engagement notice"),
    "active": ("tenderNotice", "Opportunity notice"),
    "complete": ("awardNotice", "Awarded contract notice"),
}
_ABROAD = ("British Oversea Territories", "Channel Islands", "Europe", "Isle of Man", "Rest of the World")


class ContractsFinderWriter:
    """Writes notices one after the other; an update keeps the notice's guid and changes the id's suffix."""

    def __init__(self, random: Random, *, first: int = 1) -> None:
        self._random = random
        self._register = Register(random, CF_BUYER_SCHEMES, CF_SUPPLIER_SCHEMES)
        self._suffix = 100_000 + first - 1
        self._recent: dict[str, list[dict[str, Any]]] = {"planning": [], "tender": [], "award": []}

    def write(self, when: datetime) -> dict[str, Any]:
        """Write the next notice, dated `when` (UTC)."""
        self._suffix += 1
        kind = any_of(self._random, _KINDS)
        stage = _UPDATES.get(kind, kind)
        if kind in _UPDATES and self._recent[stage]:
            return self._updated(self._random.choice(self._recent[stage]), kind, when)
        release = self._fresh(stage, when)
        self._recent[stage] = [*self._recent[stage][-_NOTICES_KEPT:], release]
        return release

    def _updated(self, notice: dict[str, Any], kind: str, when: datetime) -> dict[str, Any]:
        guid = notice["id"].rsplit("-", 1)[0]
        title = notice["tender"]["title"].removesuffix(" - amended") + " - amended"
        later = {"id": f"{guid}-{self._suffix}", "date": london(when), "tag": [kind]}
        return {**notice, **later, "tender": {**notice["tender"], "title": title}}

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _guid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _fresh(self, stage: str, when: datetime) -> dict[str, Any]:
        guid, date = self._guid(), london(when)
        before = self._recent["tender"] if stage == "award" and self._chance(0.3) else []
        earlier = self._random.choice(before) if before else None
        subject, buyer = self._random.choice(SUBJECTS), self._register.buyer()
        status = {"award": "complete", "tender": "active"}.get(stage) or self._random.choice(("planning", "planned"))
        notice = self._notice(status, guid, date)
        tender: dict[str, Any] = {
            "id": f"{buyer.place.name.upper()}-DN{self._suffix}",
            "title": f"{buyer.place.name} {subject.title}",
            "description": f"{buyer.name} seeks {subject.title}.\r\n\r\nSee the attached documents.",
            "datePublished": date,
            "status": status,
            "classification": {"scheme": "CPV", "id": subject.cpv, "description": subject.cpv_description},
            "items": [{"id": "1", "deliveryAddresses": self._addresses(buyer)}],
            "procurementMethod": "open",
            "procurementMethodDetails": self._random.choice(("Open procedure (above threshold)", "Other - ")),
            "tenderPeriod": {"endDate": london(when, 30 if stage == "tender" else -40)},
            "contractPeriod": {"startDate": london(when, 60), "endDate": end_of_day(when, 800)},
            "suitability": {"sme": self._chance(0.8), "vcse": self._chance(0.5)},
            "mainProcurementCategory": subject.category,
        }
        if self._chance(0.24):
            tender["additionalClassifications"] = [{"scheme": "CPV", "id": subject.other_cpv}]
        self._add_values(tender, stage)
        release: dict[str, Any] = {
            "ocid": earlier["ocid"] if earlier else f"ocds-b5fd17-{self._guid()}",
            "id": f"{guid}-{self._suffix}",
            "language": "en",
            "date": date,
            "tag": [stage],
            "initiationType": "tender",
            "tender": tender,
            "parties": [self._party(buyer, "buyer")],
            "buyer": buyer.reference,
        }
        if stage == "award":
            suppliers = [self._register.supplier() for _ in range(self._random.choice((1, 1, 1, 1, 2, 6)))]
            release["parties"] += [self._party(supplier, "supplier") for supplier in suppliers]
            release["awards"] = [self._award(release, suppliers, when, notice)]
        elif stage == "tender":
            link = {"id": "2", "description": "Additional information on how to apply for this contract"}
            portal = {**link, "url": f"https://bids.{buyer.place.name.lower()}.example.org/advert?id={self._suffix}"}
            tender["documents"] = [notice, portal] if self._suffix % 3 == 0 else [notice]
        else:
            release["planning"] = {"documents": [notice]}
            del tender["tenderPeriod"]
        return release

    def _notice(self, status: str, guid: str, date: str) -> dict[str, Any]:
        document_type, description = _DOCUMENTS[status]
        return {
            "id": "1",
            "documentType": document_type,
            "description": f"{description} on Contracts Finder",
            "url": f"https://www.contractsfinder.service.gov.uk/Notice/{guid}",
            "datePublished": date,
            "format": "text/html",
            "language": "en",
        }

    def _award(
        self, release: dict[str, Any], suppliers: list[Organisation], when: datetime, notice: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "id": f"{release['ocid']}-1",
            "status": "active",
            "date": london(when, -5),
            "datePublished": release["date"],
            "value": {"amount": amount(self._random), "currency": "GBP"},
            "suppliers": [supplier.reference for supplier in suppliers],
            "contractPeriod": release["tender"]["contractPeriod"],
            "documents": [notice],
        }

    def _add_values(self, tender: dict[str, Any], stage: str) -> None:
        value = amount(self._random)
        if stage != "tender" and not self._chance(155 / 200):
            return
        tender["value"] = {"amount": value, "currency": "GBP"}
        if self._chance(29 / 155):
            tender["minValue"] = {"amount": round(value * self._random.random(), 2), "currency": "GBP"}

    def _addresses(self, buyer: Organisation) -> list[dict[str, str]]:
        if self._chance(121 / 200):
            return [{"region": buyer.place.region, "countryName": "United Kingdom"}]
        return [{"postalCode": buyer.place.postcode}, *({"countryName": name} for name in _ABROAD)]

    def _party(self, organisation: Organisation, role: str) -> dict[str, Any]:
        identifier = {"legalName": organisation.name}
        if organisation.scheme != "GB-CFS":
            identifier |= {"scheme": organisation.scheme, "id": organisation.number}
        place = organisation.place
        address = {"streetAddress": "County Hall", "locality": place.name, "postalCode": place.postcode}
        return {
            "id": organisation.id,
            "name": organisation.name,
            "identifier": identifier,
            "address": {**address, "countryName": "England"},
            "contactPoint": {"name": "Procurement Team", "email": organisation.mail},
            "roles": [role],
        }
