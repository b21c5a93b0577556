"""Tells how a contract is let: on its own, or through a framework agreement or dynamic market (formerly DPS)."""

import re
from typing import Literal

from tender_sync.mapping.json_access import any_true, first_text, objects, text, texts, word
from tender_sync.mapping.parties import awarded_suppliers
from tender_sync.mapping.release import MARKET_NOTICES, Release

Mechanism = Literal["standard", "dps", "framework", "call_off_dps", "call_off_framework"]

_DPS = r"dynamic (?:purchasing system|market)s?|\bDPS[0-9]*\b"
_FRAMEWORK = r"\bframework(?: agreement)?s?\b"
_IS_DPS = re.compile(_DPS, re.IGNORECASE)
_IS_FRAMEWORK = re.compile(_FRAMEWORK, re.IGNORECASE)
_CALL_OFF = re.compile(r"\bcall(?:ed|ing)?[- ]?offs?\b|\b(?:mini|further)[- ]?competition\b", re.IGNORECASE)
_WITHIN_SENTENCE = r"(?:[^.]|\.(?=\S)){0,200}?"  # across "RM1557.14"
# A framework or DPS with its name: "the APUC framework", "L&Q framework"; not "one framework".
_NAMED = rf"(?i:the )?(?=[A-Z0-9])(?:[\w&'./()-]+(?: |, (?=[A-Z]))){{1,10}}(?i:{_DPS}|{_FRAMEWORK})"
# The body that sets up frameworks for all others; some notices of 2026 call the service the agency.
_CENTRAL = r"(?:the )?(?:crown commercial service|government commercial agency)\b"
# "A further competition … under … DPS", "awarded via framework agreement", "direct award from a framework"; not what a
# new one will be used for ("mini competitions will be issued", "contracts to be called off under the framework").
_WAS_CALLED_OFF = re.compile(
    rf"(?i:\b(?:(?:mini|further)[- ]competition\b(?! will| may| can| shall){_WITHIN_SENTENCE}"
    r"\b(?:under|via|using|against|from|through)"
    r"|(?<!be )call(?:ed|ing)?[- ]off (?:under|from)|(?:direct award|(?<!be )awarded) (?:under|via|from|through))"
    rf"\b{_WITHIN_SENTENCE}(?:{_DPS}|{_FRAMEWORK})|calling[- ]off from\b"
    rf"|direct award (?:under|via|from|through) {_CENTRAL})"
)
# "Through L&Q framework", "use of the APUC framework".
_USES_NAMED = re.compile(rf"(?<!sitting )(?<!sits )\b(?i:via|through|under|using|use of) {_NAMED}")
# How plans say it: "This will be procured via Crown Commercial Service framework RM6356", "We intend to utilise the …
# Framework (RM6354)".
_WILL_BE_CALLED_OFF = re.compile(
    r"\b(?i:(?:procured|purchased|bought|awarded|called[- ]off) (?:via|through|under|using|from)"
    rf"|(?:intend|propose|plan)(?:s|ing)? to (?:use|utilise)) {_NAMED}"
)
# "Has put in place a multi-supplier framework", "are updating the DPS", "let as a framework agreement"; not "as a
# framework for learning".
_SETS_UP = re.compile(
    r"\b(?:establish(?:ed|ing)?|set(?:ting)? up|put(?:ting)? in place|enter(?:ed|ing)? into|creat(?:ed?|ing)|join"
    r"|updat(?:ed?|ing)|re-?open(?:ed|ing)?|(?:renewal|iteration) of) (?:an?|the|its|our) "
    rf"(?:[\w-]+,? ){{0,4}}(?:{_DPS}|{_FRAMEWORK})|\bas an? (?:[\w-]+,? ){{0,4}}(?:{_DPS}|framework agreement\b)",
    re.IGNORECASE,
)
# "Care at Home Framework", "Framework for …", "Framework Agreement …"; not "Insurance for Framework Housing
# Association", nor frameworks of other kinds.
_NAMES_FRAMEWORK = re.compile(
    r"\bframework agreements?\b"
    r"|(?<!regulatory )(?<!competency )(?<!outcomes )(?<!assurance )(?<!regeneration )"
    r"\bframework(?: for\b|\s*(?:$|[^\w\s]))",
    re.IGNORECASE,
)
# Titles that name a framework which exists already: "Subcontract opportunity: …", "Management of the … Framework".
_OF_ANOTHER = re.compile(
    r"(?:[\w-]+:? ){0,4}(?:sub-?contract (?:opportunit|package|notice)"
    r"|(?:managing|administering|(?:management|administration) of) (?:an?|the|its|our) "
    rf"(?:[\w-]+ ){{0,4}}{_FRAMEWORK})",
    re.IGNORECASE,
)
_TEXTS = ("title", "description", "procurementMethodRationale")
# A text with none of these matches none of the patterns, which are slow.
_KEY_WORDS = ("framework", "dynamic", "dps", "calling off", "commercial service", "commercial agency")
# Fields of a tender that describe a procurement. Lots are none: cancellations list the ids of theirs, and nothing else.
_PROCEDURE = ("procurementMethod", "procurementMethodDetails", "items", "value")


def contract_mechanism(release: Release) -> Mechanism | None:
    """Return the mechanism by what is published as data, else by the notice's words; docs/CONTRACTS.md has the order.

    - Data: `procurementMethodDetails` is "Call-off from a dynamic purchasing system" (Contracts Finder) or "Award under
      framework" (Procurement Act).
    - Texts of awards and of plans: of awards these alone tell of a call-off (4 of 266 of the Act). Some of either flag
      a framework where the contract comes from one (11 of 12 pipeline notices, 2 of 13 awards).
    - Titles and descriptions: Contracts Finder has no field for what is set up, and Find a Tender's is left out at
      times beside a title that names one (3 of 436 notices of the Act).

    None where the notice describes no procurement (terminations, cancellations, changes, corrigenda).
    """
    mechanism = _in_data(release)
    if mechanism is None or _is_only_flagged(release):
        mechanism = _call_off_in_texts(release) or _in_title(release) or mechanism or _set_up_in_texts(release)
    if mechanism is None:
        return "standard" if any(tender.get(field) for tender in release.tenders for field in _PROCEDURE) else None
    if mechanism == "dps" and release.regime == "CELEX" and release.stage == "AWARD":  # a DPS itself is never awarded
        return "call_off_dps"
    return mechanism


def _in_data(release: Release) -> Mechanism | None:
    details = first_text(release.tenders, ("procurementMethodDetails",)) or ""
    if _CALL_OFF.search(details) or _IS_FRAMEWORK.search(details):
        return _call_off_from(details)
    if _IS_DPS.search(details) or release.notice_type in MARKET_NOTICES or _uses(release, "DynamicPurchasingSystem"):
        return "dps"
    if _uses(release, "FrameworkAgreement"):
        return "framework"
    related = {name.lower() for key in ("relationship", "id") for name in texts(release.json, "relatedProcesses", key)}
    if any("dynamic" in name for name in related):
        return "call_off_dps"
    return "call_off_framework" if "framework" in related else None


def _uses(release: Release, technique: str) -> bool:
    """Tell whether the tender or a lot has the flag of a technique among its `techniques`."""
    return any(any_true(parts, "techniques", f"has{technique}") for parts in (release.tenders, release.lots))


def _is_only_flagged(release: Release) -> bool:
    """Tell whether a notice flags a framework without its details, a title that names it, or several suppliers."""
    return (
        _uses(release, "FrameworkAgreement")
        and not objects(release.tenders, "techniques", "frameworkAgreement")
        and _in_title(release) not in {"framework", "dps"}
        and len(awarded_suppliers(release)) <= 1
    )


def _call_off_in_texts(release: Release) -> Mechanism | None:
    """Return the call-off that the texts of an award or a plan tell of.

    A framework that an award by an open procedure only names ("using the IAP framework") is one of another kind: nobody
    but its members may bid for a call-off.
    """
    found = _search_texts(release, _WILL_BE_CALLED_OFF) if release.stage == "PLANNING" else None
    if release.stage == "AWARD":
        found = _search_texts(release, _WAS_CALLED_OFF)
        if found is None and word(release.tenders, "procurementMethod") != "open":
            found = _search_texts(release, _USES_NAMED)
    return _call_off_from(found) if found else None


def _set_up_in_texts(release: Release) -> Mechanism | None:
    """Return what a text says is being set up; of the Act's notices only plans have no field for it."""
    if release.notice_type and release.stage != "PLANNING":
        return None
    found = _search_texts(release, _SETS_UP)
    return _set_up(found) if found else None


def _in_title(release: Release) -> Mechanism | None:
    """Return what a title names: a dynamic purchasing system or a framework, or a call-off from one."""
    title = first_text(release.tenders, ("title",)) or text(release.json.get("title")) or ""
    if any(_OF_ANOTHER.match(beginning) for beginning in (title, *texts(release.tenders, "description"))):
        return None
    if _CALL_OFF.search(title):
        return _call_off_from(title) if _IS_DPS.search(title) or _IS_FRAMEWORK.search(title) else None
    return _set_up(title) if _IS_DPS.search(title) or _NAMES_FRAMEWORK.search(title) else None


def _call_off_from(named: str) -> Mechanism:
    return "call_off_dps" if _IS_DPS.search(named) else "call_off_framework"


def _set_up(named: str) -> Mechanism:
    return "dps" if _IS_DPS.search(named) else "framework"


def _search_texts(release: Release, pattern: re.Pattern[str]) -> str | None:
    """Return the first passage of the texts that a pattern matches."""
    described = [found for key in _TEXTS for found in texts(release.tenders, key)]
    for each in (*described, *texts(release.json, "description")):
        if any(key_word in each.lower() for key_word in _KEY_WORDS) and (found := pattern.search(each)):
            return found[0]
    return None
