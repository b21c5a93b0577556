"""Find a Tender notices of both regimes, shaped and mixed as in the recordings of August 2026.

`UKPGA` notices follow the Procurement Act 2023 (UK1 to UK15), `CELEX` notices the rules before it. The weights are
releases in 30 recorded days, split by the notice types of one recorded day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from .find_a_tender import LONDON
from .organisations import FTS_BUYER_SCHEMES, FTS_SUPPLIER_SCHEMES, Organisation, Register, amount, any_of
from .words import SUBJECTS, Subject

if TYPE_CHECKING:
    from random import Random

_PROCESSES_KEPT = 400
_CONTINUES = 0.6
"""How often an update or end belongs to a notice published before; else its beginning is older than the history."""

_THRESHOLD: Final = 200_000
"""In pounds; about where the Act begins to ask for open competition in goods and services."""

_CALLED_OFF = 12 / 262
"""Award notices of the Act that name the framework they were called off from (recorded on one day)."""

_CRITERIA: Final = {
    "criteria": [
        {"type": "price", "name": "Price", "numbers": [{"number": 60, "weight": "percentageExact"}]},
        {"type": "quality", "name": "Quality", "numbers": [{"number": 40, "weight": "percentageExact"}]},
    ]
}
_OLD_CRITERIA: Final = {"criteria": [{"name": "Quality", "type": "quality", "description": "30"}, {"type": "price"}]}
_ACT = {"id": "2023/54", "scheme": "UKPGA", "uri": "https://www.legislation.gov.uk/ukpga/2023/54/contents"}
_DIRECTIVE = {"id": "32014L0024", "scheme": "CELEX"}
_FREQUENT_TYPES: Final = {"UK7": 0.76, "UK6": 0.2, "UK5": 0.027, "UK14": 0.006, "UK15": 0.007}
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
    """One contracting process, as far as its notices have told it."""

    ocid: str
    regime: str
    buyer: Organisation
    subject: Subject
    title: str
    net: float
    supplier: Organisation
    stages: list[str] = field(default_factory=list)


class FindATenderWriter:
    """Writes notices one after the other; updates and awards often continue a process begun before."""

    def __init__(self, random: Random, *, first: int = 1) -> None:
        self._random = random
        self._register = Register(random, FTS_BUYER_SCHEMES, FTS_SUPPLIER_SCHEMES)
        self._number = first - 1
        self._ocid = 0x20000 + first
        self._processes: list[Process] = []
        self._kinds = {
            # new process?, regime, builder: weight
            (True, "UKPGA", self._award): 5950,
            (True, "UKPGA", self._tender): 1334,
            (True, "UKPGA", self._planning): 950,
            (False, "UKPGA", self._tender_update): 454,
            (False, "UKPGA", self._planning_update): 273,
            (False, "UKPGA", self._award_update): 195,
            (False, "UKPGA", self._cancellation): 114,
            (False, "UKPGA", self._termination): 80,
            (False, "UKPGA", self._amendment): 60,
            (True, "UKPGA", self._planning_and_tender): 7,
            (True, "CELEX", self._old_award): 1246,
            (True, "CELEX", self._old_tender): 150,
            (True, "CELEX", self._old_planning): 84,
            (False, "CELEX", self._old_tender_update): 100,
            (False, "CELEX", self._old_award_update): 30,
        }

    def write(self, when: datetime) -> dict[str, Any]:
        """Write the next notice, dated `when` (UTC)."""
        self._number += 1
        fresh, regime, build = any_of(self._random, self._kinds)
        continues = self._chance(_CONTINUES if not fresh else 0.25)
        process = self._known(regime) if continues else None
        process = process or self._new(regime)
        release: dict[str, Any] = {
            "ocid": process.ocid,
            "id": f"{self._number:06d}-{when.astimezone(LONDON).year}",
            "tag": [],
            "date": london(when),
            "initiationType": "tender",
            "parties": [self._party(process.buyer, "buyer")],
            "buyer": process.buyer.reference,
            "tender": {
                "id": process.ocid if self._chance(0.3) else f"DN{self._number}",
                "legalBasis": _ACT if regime == "UKPGA" else _DIRECTIVE,
                "title": process.title,
            },
            "language": "en",
        }
        build(release, process, when)
        if regime == "UKPGA" and self._chance(0.35):
            release["buyerID"] = []  # as recorded
        if regime == "UKPGA" and self._chance(0.026):
            del release["buyer"]  # 35 of some 1,360 such releases: a party has the role all the same
        return release

    # Processes

    def _known(self, regime: str) -> Process | None:
        same = [process for process in self._processes if process.regime == regime]
        return self._random.choice(same) if same else None

    def _new(self, regime: str) -> Process:
        self._ocid += 1
        buyer, subject = self._register.buyer(), self._random.choice(SUBJECTS)
        title = f"{buyer.place.name} {subject.title}" + (" " if self._chance(0.02) else "")
        ocid = f"ocds-h6vhtk-{self._ocid:06x}"
        process = Process(ocid, regime, buyer, subject, title, amount(self._random), self._register.supplier())
        self._processes.append(process)
        if len(self._processes) > _PROCESSES_KEPT:
            self._processes.pop(0)
        return process

    # Parts

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

    # The Procurement Act 2023

    def _planning(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        kind = any_of(self._random, {"UK2": 35, "UK3": 6, "UK1": 5})
        release["tag"] = ["planning"]
        release["planning"] = {"documents": [self._notice(release, kind)]}
        if kind == "UK2":
            due = {"id": "engagement", "type": "engagement", "dueDate": end_of_day(when, 20), "status": "scheduled"}
            release["planning"]["milestones"] = [due]
        status = "planning" if kind == "UK2" and self._chance(0.9) else "planned"
        suitability = {"sme": True} if self._chance(0.6) else {}
        lot = {"id": "1", "status": status, "suitability": suitability, "description": None}
        release["tender"] |= {
            "description": f"{process.title}: early engagement.",
            "status": status,
            "items": self._items(process),
            "mainProcurementCategory": process.subject.category,
            "lots": [{**lot, "contractPeriod": self._period(when)}],
        }
        if kind != "UK2":
            release["tender"]["value"] = self._value(process.net)
            release["tender"]["communication"] = {"futureNoticeDate": end_of_day(when, 60)}

    def _tender(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        release["tag"] = ["tender"]
        value = self._value(process.net)
        below = process.net < _THRESHOLD
        release["tender"] |= {
            "description": f"{process.buyer.name} invites tenders for {process.subject.title}.\nSee the portal.",
            "status": "active",
            "items": self._items(process),
            "value": value,
            "procurementMethod": "open",
            "procurementMethodDetails": "Below threshold - open competition" if below else "Open procedure",
            "mainProcurementCategory": process.subject.category,
            "aboveThreshold": not below,
            "enquiryPeriod": {"endDate": london(when, 14)},
            "lots": [
                {
                    "id": "1",
                    "status": "active",
                    "value": value,
                    "suitability": {"sme": True, "vcse": True},
                    "contractPeriod": self._period(when),
                    "hasRenewal": True,
                    "renewal": {"description": "One further year"},
                    "hasOptions": True,
                    "options": {"description": "Further sites"},
                    "awardCriteria": _CRITERIA,
                    "description": None,
                }
            ],
            "submissionMethodDetails": f"Bid at https://bids.{process.buyer.place.name.lower()}.example.org/portal.",
            "submissionTerms": {"electronicSubmissionPolicy": "allowed", "languages": ["en"]},
            "documents": [self._notice(release, "UK4")],
        }
        if self._chance(0.15):
            agreement = {"method": "withReopeningCompetition", "type": "closed"}
            release["tender"]["techniques"] = {"hasFrameworkAgreement": True, "frameworkAgreement": agreement}
        if self._chance(0.85):
            release["tender"]["tenderPeriod"] = {"endDate": london(when, 30)}
        else:  # two-stage procedures have no tenderPeriod
            release["tender"] |= {
                "procurementMethod": "selective",
                "procurementMethodDetails": "Competitive flexible procedure",
                "expressionOfInterestDeadline": london(when, 25),
            }

    def _planning_and_tender(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        self._tender(release, process, when)
        release["tag"] = ["planning", "tender"]

    def _award(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        kind = any_of(self._random, _FREQUENT_TYPES)
        suppliers = [process.supplier]
        if kind in ("UK14", "UK15"):  # dynamic markets: many "awards" without value, not contract awards
            suppliers = [self._register.supplier() for _ in range(self._random.randrange(2, 40))]
        release["tag"] = ["award", "contract"]
        release["parties"] += [self._party(supplier, "supplier") for supplier in dict.fromkeys(suppliers)]
        release["tender"] |= {
            "description": f"Award of {process.title}.",
            "status": "complete",
            "procurementMethod": "open",
            "procurementMethodDetails": "Open procedure",
            "lots": [{"id": "1", "status": "complete", "description": None}],
        }
        if self._chance(_CALLED_OFF):
            release["tender"] |= {"procurementMethod": "selective", "procurementMethodDetails": "Award under framework"}
            framework = {"id": "framework", "relationship": ["framework"], "scheme": "ocid"}
            release["relatedProcesses"] = [{**framework, "identifier": f"ocds-h6vhtk-{self._ocid:06x}"}]
        release["awards"] = [
            {
                "id": str(number),
                "mainProcurementCategory": process.subject.category,
                "suppliers": [supplier.reference],
                "items": self._items(process),
                "relatedLots": ["1"],
            }
            for number, supplier in enumerate(suppliers, 1)
        ]
        award = release["awards"][0]
        if kind == "UK7":
            release["contracts"] = [
                {
                    "id": "1",
                    "awardID": "1",
                    "title": process.title,
                    "status": "active",
                    "period": self._period(when),
                    "value": self._value(process.net),
                    "dateSigned": london(when, -10),
                    "statusDetails": None,
                    "documents": [self._notice(release, kind)],
                }
            ]
        else:
            award["documents"] = [self._notice(release, kind)]
            if kind in ("UK5", "UK6"):
                award |= {"value": self._value(process.net), "contractPeriod": self._period(when)}
            if kind == "UK6":
                award["date"] = london(when, -2)
        if self._chance(0.7):  # many awards carry no status
            award["status"] = "pending" if kind in ("UK5", "UK6") else "active"
        if self._chance(0.006):
            del release["tender"]["status"]

    def _planning_update(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        self._planning(release, process, when)
        release["tag"] = ["planningUpdate"]
        self._amend(release["tender"], release["id"])

    def _tender_update(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        self._tender(release, process, when)
        release["tag"] = ["tenderUpdate"]
        self._amend(release["tender"], release["id"])

    def _award_update(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        self._award(release, process, when)
        release["tag"] = ["awardUpdate", "contractUpdate"]
        self._amend(release["awards"][0], release["id"])

    def _amend(self, part: dict[str, Any], notice_id: str) -> None:
        part["amendments"] = [{"id": notice_id, "description": "Dates corrected"}]

    def _cancellation(self, release: dict[str, Any], _process: Process, when: datetime) -> None:
        release["tag"] = ["tenderCancellation"]
        release["tender"]["documents"] = [self._notice(release, "UK12")]
        status = any_of(self._random, {"complete": 8, None: 5, "withdrawn": 5})
        if status:
            release["tender"]["status"] = status
        release["awards"] = [{"id": "1", "status": "active", "relatedLots": ["1"]}]
        ended = {"id": "1", "awardID": "1", "status": "cancelled", "statusDetails": None}
        release["contracts"] = [{**ended, "finalStatusDate": london(when, -3)}]

    def _termination(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        release["tag"] = ["contractTermination"]
        ended = {"id": "1", "awardID": "1", "status": "terminated", "statusDetails": None}
        final = {"endDate": london(when, -5), "finalValue": self._value(process.net)}
        documents = [self._notice(release, "UK11")]
        release["contracts"] = [{**ended, "implementation": final, "documents": documents}]

    def _amendment(self, release: dict[str, Any], process: Process, when: datetime) -> None:
        release["tag"] = ["contractAmendment"]
        release["parties"] += [self._party(process.supplier, "removedSupplier")]
        amended = {"id": "1", "awardID": "1", "statusDetails": None, "documents": [self._notice(release, "UK10")]}
        release["contracts"] = [{**amended, "period": {"startDate": london(when, -13)}}]
        self._amend(release["contracts"][0], release["id"])

    # The rules before the Act

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
