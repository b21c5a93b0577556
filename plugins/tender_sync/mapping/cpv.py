"""CPV codes: where notices keep them, and the sector each belongs to."""

import re
from collections.abc import Mapping
from itertools import product

from tender_sync.mapping.json_access import identifier, objects, text
from tender_sync.mapping.release import Release

# The 45 divisions of the Common Procurement Vocabulary (Regulation (EC) No 213/2008), each by a short name.
CPV_SECTOR_MAP: Mapping[str, str] = {
    "03": "Farming, Fishing & Forestry",
    "09": "Fuel & Energy",
    "14": "Minerals & Metals",
    "15": "Food & Drink",
    "16": "Agricultural Machinery",
    "18": "Clothing & Footwear",
    "19": "Leather, Textiles & Plastics",
    "22": "Printed Matter",
    "24": "Chemicals",
    "30": "IT & Office Equipment",
    "31": "Electrical Equipment",
    "32": "Communications Equipment",
    "33": "Medical & Pharmaceutical",
    "34": "Vehicles & Transport Equipment",
    "35": "Security, Fire & Defence",
    "37": "Sports, Music & Crafts",
    "38": "Laboratory & Precision Equipment",
    "39": "Furniture & Furnishings",
    "41": "Water",
    "42": "Industrial Machinery",
    "43": "Mining & Construction Machinery",
    "44": "Construction Materials",
    "45": "Construction",
    "48": "Software",
    "50": "Repair & Maintenance",
    "51": "Installation",
    "55": "Hotels & Catering",
    "60": "Transport",
    "63": "Transport Support & Travel",
    "64": "Post & Telecommunications",
    "65": "Utilities",
    "66": "Finance & Insurance",
    "70": "Property",
    "71": "Architecture & Engineering",
    "72": "IT Services",
    "73": "Research & Development",
    "75": "Public Administration",
    "76": "Oil & Gas Services",
    "77": "Farming & Landscaping Services",
    "79": "Business Services",
    "80": "Education & Training",
    "85": "Health & Social",
    "90": "Waste & Environment",
    "92": "Recreation, Culture & Sport",
    "98": "Community & Personal Services",
}

# The digit after the hyphen checks the eight before it; a name may follow ("45000000-7 Construction work").
_CODE = re.compile(r"(?P<digits>[0-9]{7,8})(?:\s*-\s*[0-9])?(?:\s.*)?")

# Main code first. Contracts Finder and old-regime (CELEX) notices mark one in tender.classification; CELEX lists more
# under the items, Contracts Finder under the tender. Procurement Act notices mark none and list all under the items: of
# the tender in planning and tender notices, of the awards in award and contract notices (measured on 1,647 releases).
_KEYS = ("classification", "additionalClassifications")


def derive_sector_from_cpv(code: object) -> str | None:
    """Return the sector of a CPV code by its division (the first two digits); None where there is no such division."""
    return CPV_SECTOR_MAP.get((text(code) or "")[:2])


def cpv_codes(release: Release) -> list[str]:
    """Return the CPV codes of a release as eight digits each, the main one first, each once.

    Codes outside the divisions of the vocabulary (`99999999`) are left out, so the first code always has a sector.
    A missing scheme counts as CPV: no other vocabulary has codes of eight digits.
    """
    items = (objects(part, "items") for part in (release.tenders, release.awards, release.contracts))
    found = {}
    for parts, key in product((release.tenders, *items), _KEYS):
        for classification in objects(parts, key):
            scheme = classification.get("scheme")
            match = _CODE.fullmatch(identifier(classification.get("id")) or "")
            if match and (scheme is None or (text(scheme) or "").upper() == "CPV"):
                code = match["digits"].zfill(8)  # spreadsheets lose the zero of divisions 03 and 09
                found[code] = derive_sector_from_cpv(code)
    return [code for code, sector in found.items() if sector]
