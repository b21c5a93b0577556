"""How to take part: by which procedure, whom it suits, and how and where bids are sent."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

from tender_sync.mapping.json_access import any_true, first_text, line, objects, text, texts, walk, word
from tender_sync.mapping.links import address_within, is_publishers_page
from tender_sync.mapping.release import Release

# Find a Tender's code for "may bids be sent electronically": allowed, required, notAllowed.
_ELECTRONIC = frozenset({"allowed", "required"})
_HOW_TO_APPLY = re.compile(
    r"\b(?:apply|adverts?|access|respond|responses?|submit\w*|submissions?|register|registration|portal|log ?in"
    r"|electronically)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|[\r\n]+")


def procurement_method_details(release: Release) -> str | None:
    """Return the procedure's name as one line; Contracts Finder's "Other - " loses its dash."""
    found = line(first_text(release.tenders, ("procurementMethodDetails",))) or ""
    return found.removesuffix(" -").rstrip() or None


def suitable_for(release: Release, whom: Literal["sme", "vcse"]) -> bool | None:
    """Return the published flag: of the tender (Contracts Finder) or any lot (the Act, which states only true ones).

    A contract reserved for them is suitable for them. Texts do not count: they mention small firms in all ways.
    """
    reserved_for = texts(release.tenders, "otherRequirements", "reservedParticipation")
    if any(whom in code.lower() for code in reserved_for):
        return True
    return any_true([*release.tenders, *release.lots], "suitability", whom)


def submission_method(release: Release) -> list[str]:
    """Return how bids may be sent, as OCDS codes: those listed, else electronically where the Act's notices allow.

    A notice of the Act has `electronicSubmissionPolicy` instead of a list, in the terms of the tender or of a lot.
    """
    listed = list(dict.fromkeys(texts(release.tenders, "submissionMethod")))
    terms = objects([*release.tenders, *release.lots], "submissionTerms")
    policies = {word(each, "electronicSubmissionPolicy") for each in terms}
    return listed or (["electronicSubmission"] if policies & _ELECTRONIC else [])


def submission_portal_url(release: Release) -> str | None:
    """Return where bids are made: the first address within the instructions that notices have for it.

    Contracts Finder has no field for it. Its tenders link to the buyer's portal among their documents ("Advert",
    "Electronically via (URL)"), or a sentence of the description says where to apply.
    """
    tenders = release.tenders
    instructions = [*walk(tenders, "submissionMethodDetails"), *walk(tenders, "communication", "atypicalToolUrl")]
    hints = _hints(tenders) if release.stage == "TENDER" else iter(())
    return next((found for each in chain(instructions, hints) if (found := address_within(each))), None)


def _hints(tenders: list[dict[str, Any]]) -> Iterator[object]:
    """Yield what may hold a portal's address, the likeliest first.

    These are links that say so, sentences of the description that do, and other links. Files and the publishers' own
    pages are left out.
    """
    links = [each for each in objects(tenders, "documents") if each.get("format") is None]
    links = [each for each in links if not is_publishers_page(each.get("url"))]
    yield from walk(links, "accessDetails")
    yield from (each.get("url") for each in links if _HOW_TO_APPLY.search(text(each.get("description")) or ""))
    for description in texts(tenders, "description"):
        yield from (each for each in _SENTENCE_END.split(description) if _HOW_TO_APPLY.search(each))
    yield from walk(links, "url")
