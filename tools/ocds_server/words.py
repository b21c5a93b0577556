"""Names for generated notices. Places, subjects and codes are real; organisations are invented."""

from __future__ import annotations

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A town: its ITL code, the English region (or nation) Contracts Finder would name, a postcode."""

    name: str
    itl: str
    region: str
    postcode: str


class Subject(NamedTuple):
    """What is bought: title, CPV code with its description, a second code, and the OCDS category."""

    title: str
    cpv: str
    cpv_description: str
    other_cpv: str
    category: str


PLACES: Final = (
    Place("Leeds", "UKE42", "Yorkshire and the Humber", "LS1 1UR"),
    Place("Bradford", "UKE41", "Yorkshire and the Humber", "BD1 1HY"),
    Place("Durham", "UKC14", "North East", "DH1 5UL"),
    Place("Newcastle", "UKC22", "North East", "NE1 8QH"),
    Place("Lancaster", "UKD44", "North West", "LA1 1PJ"),
    Place("Liverpool", "UKD72", "North West", "L3 9PP"),
    Place("Manchester", "UKD33", "North West", "M2 5DB"),
    Place("Nottingham", "UKF14", "East Midlands", "NG2 7QP"),
    Place("Derby", "UKF11", "East Midlands", "DE1 2FS"),
    Place("Stafford", "UKG24", "West Midlands", "ST16 2DH"),
    Place("Birmingham", "UKG31", "West Midlands", "B1 1BB"),
    Place("Norwich", "UKH15", "East of England", "NR1 2DH"),
    Place("Lewisham", "UKI44", "London", "SE6 4RU"),
    Place("Camden", "UKI31", "London", "N1C 4AG"),
    Place("Bexhill", "UKJ22", "South East", "TN39 3JX"),
    Place("Oxford", "UKJ14", "South East", "OX1 1BX"),
    Place("Taunton", "UKK23", "South West", "TA1 4DY"),
    Place("Swindon", "UKK14", "South West", "SN2 2EH"),
    Place("Cardiff", "UKL22", "Wales", "CF10 4UW"),
    Place("Wrexham", "UKL23", "Wales", "LL11 1AY"),
    Place("Aberdeen", "UKM50", "Scotland", "AB10 1FY"),
    Place("Glasgow", "UKM82", "Scotland", "G2 1DU"),
    Place("Belfast", "UKN06", "Northern Ireland", "BT1 5GS"),
)

BUYER_FORMS: Final = (
    "{} City Council",
    "{} Council",
    "London Borough of {}",
    "{} University Hospitals NHS Foundation Trust",
    "NHS {} Integrated Care Board",
    "University of {}",
    "{} College",
    "{} Fire and Rescue Authority",
    "Police and Crime Commissioner for {}",
    "{} Multi-Academy Trust",
    "{} Housing Group Limited",
    "{} Port Health Authority",
)
NATIONAL_BUYERS: Final = (
    "Ministry of Defence",
    "Department for Education",
    "UK Research & Innovation",
    "Cabinet Office",
    "Historic England",
    "Environment Agency",
)
SUPPLIER_FORMS: Final = (
    "{} Construction Limited",
    "{} Facilities Management Ltd",
    "{} & Sons Limited",
    "{} Consulting LLP",
    "{} Digital Solutions Ltd",
    "{} Care Services Limited ",
    "{} PLC",
)
SUPPLIER_NAMES: Final = ("Acorn", "Brightwater", "Calder", "Dovetail", "Elmfield", "Fenwick", "Granary", "Harrow")

SUBJECTS: Final = (
    Subject(
        "Leisure Centre Refurbishment Works",
        "45212110",
        "Leisure centre construction work",
        "45453100",
        "works",
    ),
    Subject(
        "Demolition of Multi Storey Car Park",
        "45110000",
        "Building demolition and wrecking work",
        "45111100",
        "works",
    ),
    Subject("Highways Resurfacing Framework", "45233220", "Surface work for roads", "45233142", "works"),
    Subject("Home to School Transport", "60130000", "Special-purpose road transport", "60000000", "services"),
    Subject("GP Services", "85121100", "General-practitioner services", "85100000", "services"),
    Subject("Domestic Abuse Support", "85311300", "Welfare services for young people", "85000000", "services"),
    Subject("Supported Living - Adults", "85311200", "Welfare services for disabled people", "85310000", "services"),
    Subject("PAT Testing", "71314100", "Electrical services", "71630000", "services"),
    Subject("Market Research: Consumer Trust", "79310000", "Market research services", "79300000", "services"),
    Subject("Grounds Maintenance (2 lots)", "77314000", "Grounds maintenance services", "77310000", "services"),
    Subject("Café and Building Cleaning", "90911200", "Building-cleaning services", "90910000", "services"),
    Subject("Waste Disposal & Recycling", "90510000", "Refuse disposal and treatment", "90500000", "services"),
    Subject("Banking Services", "66110000", "Banking services", "66000000", "services"),
    Subject("Architect's Services", "71200000", "Architectural and related services", "71220000", "services"),
    Subject("Staff Training - First Aid", "80561000", "Health training services", "80500000", "services"),
    Subject("Security Platform", "48000000", "Software package and information systems", "48730000", "goods"),
    Subject("Finance System RFI", "48440000", "Financial analysis software package", "48000000", "goods"),
    Subject("Cloud Hosting", "72400000", "Internet services", "72000000", "services"),
    Subject("Supply of Gas", "09121200", "Mains gas", "09123000", "goods"),
    Subject("Medical Consumables", "33140000", "Medical consumables", "33000000", "goods"),
    Subject("Fire Tests of Doors", "44221220", "Fire doors", "44221000", "goods"),
    Subject("School Furniture", "39160000", "School furniture", "39100000", "goods"),
    Subject("Vehicle Purchase", "34100000", "Motor vehicles", "34110000", "goods"),
    Subject("Analytical Testing of Fuels", "71610000", "Composition and purity testing", "09100000", "services"),
)
