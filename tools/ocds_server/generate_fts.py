"""Find a Tender notices of both regimes, shaped and mixed as in the recordings of August 2026.

`UKPGA` notices follow the Procurement Act 2023 (UK1 to UK15), `CELEX` notices the rules before it. The weights are
releases in 30 recorded days, split by the notice types of one recorded day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .find_a_tender import LONDON
from .generate_old_rules import OldRules
from .generate_parts import Process, end_of_day, london
from .organisations import amount, any_of
from .words import SUBJECTS

if TYPE_CHECKING:
    from datetime import datetime
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
_ACT = {"id": "2023/54", "scheme": "UKPGA", "uri": "https://www.legislation.gov.uk/ukpga/2023/54/contents"}
_DIRECTIVE = {"id": "32014L0024", "scheme": "CELEX"}
_FREQUENT_TYPES: Final = {"UK7": 0.76, "UK6": 0.2, "UK5": 0.027, "UK14": 0.006, "UK15": 0.007}


class FindATenderWriter(OldRules):
    """Writes notices one after the other; updates and awards often continue a process begun before."""

    def __init__(self, random: Random, *, first: int = 1) -> None:
        super().__init__(random, first=first)
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
            release["contracts"] = [self._contract(release, process, when)]
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

    def _contract(self, release: dict[str, Any], process: Process, when: datetime) -> dict[str, Any]:
        return {
            "id": "1",
            "awardID": "1",
            "title": process.title,
            "status": "active",
            "period": self._period(when),
            "value": self._value(process.net),
            "dateSigned": london(when, -10),
            "statusDetails": None,
            "documents": [self._notice(release, "UK7")],
        }

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
