"""Notices under the rules before the Procurement Act 2023 (`CELEX`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .generate_parts import NoticeParts, london

if TYPE_CHECKING:
    from datetime import datetime

    from .generate_parts import Process

_OLD_CRITERIA: Final = {"criteria": [{"name": "Quality", "type": "quality", "description": "30"}, {"type": "price"}]}


class OldRules(NoticeParts):
    """Writes into a release what each kind of these notices holds."""

    def _old(self, release: dict[str, Any], process: Process, tags: list[str], status: str | None) -> dict[str, Any]:
        release["tag"] = tags
        subject = process.subject
        tender: dict[str, Any] = release["tender"]
        tender["classification"] = {"scheme": "CPV", "id": subject.cpv, "description": subject.cpv_description}
        tender["mainProcurementCategory"] = subject.category
        tender["description"] = f"{process.title}<br/>Conducted under the 2015 regulations."
        if status is not None:
            tender["status"] = status
            plain: list[dict[str, Any]] = [{"id": "1", "relatedLot": "1"}]
            items = self._items(process) if self._chance(0.42) else plain
            items[0]["deliveryAddresses"] = [{"region": process.buyer.place.itl}]
            tender["items"] = items
            lot = {"id": "1", "status": status, "contractPeriod": {"durationInDays": 360}, "hasOptions": False}
            tender["lots"] = [{**lot, "awardCriteria": _OLD_CRITERIA}]
        return tender

    def _old_planning(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        tender = self._old(release, process, ["planning"], "planned")
        tender["communication"] = {"futureNoticeDate": london(when, 100)}

    def _old_tender(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        tender = self._old(release, process, ["tender"], "active")
        tender["tenderPeriod"] = {"endDate": london(when, 30)}
        tender |= {"submissionMethod": ["electronicSubmission"], "submissionMethodDetails": "https://bids.example.org/"}
        if self._chance(0.7):  # tender.value.amount stands in 70 %
            tender["value"] = {"amount": process.net, "currency": "GBP"}

    def _old_award(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        tender = self._old(release, process, ["award", "contract"], "complete")
        if self._chance(143 / 153):
            tender["lots"][0]["status"] = "cancelled"  # beside an active award: as recorded
        tender["procurementMethodRationale"] = "Further competition under the CCS RM6126 framework"
        failed = self._chance(0.03)
        key = f"{release['id']}-1"
        release["parties"].append(self._party(process.supplier, "supplier"))
        release["awards"] = [{"id": key, "relatedLots": ["1"], "status": "unsuccessful" if failed else "active"}]
        if not failed:
            release["awards"][0]["suppliers"] = [process.supplier.reference]
            contract = {"id": key, "awardID": key, "status": "active", "dateSigned": london(when, -20)}
            value = {"value": {"amount": process.net, "currency": "GBP"}} if self._chance(0.9) else {}
            release["contracts"] = [{**contract, **value}]

    def _old_tender_update(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        tender = self._old(release, process, ["tenderUpdate"], None)
        self._amend(tender, "1")
        if self._number % 9 == 0:  # one of nine corrigenda of a recorded day
            where = {"section": "IV.2.2)", "label": "Time limit for receipt of tenders or requests to participate"}
            moved = {"newValue": {"date": london(when, 45)}, "where": where}
            tender["amendments"][0]["unstructuredChanges"] = [moved]

    def _old_award_update(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        self._old_award(release, process, when)
        release["tag"] = ["awardUpdate", "contractUpdate"]
        del release["tender"]["status"]
