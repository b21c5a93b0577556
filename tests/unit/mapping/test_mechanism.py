"""How a contract comes about."""

from __future__ import annotations

import pytest

from tender_sync.mapping.mechanism import contract_mechanism
from tender_sync.mapping.release import Release

FLAG = {"techniques": {"hasFrameworkAgreement": True}}
DPS_FLAG = {"techniques": {"hasDynamicPurchasingSystem": True}}
OLD = {"legalBasis": {"id": "32014L0024", "scheme": "CELEX"}}
DESCRIBED = {"procurementMethodDetails": "Open procedure"}


def release(tag="tender", notice_type=None, related=None, **tender):
    documents = [{"id": "1", "documentType": "tenderNotice", "noticeType": notice_type}] if notice_type else []
    made = {"id": "1", "tag": [tag], "tender": {**tender, "documents": documents}}
    return {**made, "relatedProcesses": [{"relationship": [related], "scheme": "ocid"}]} if related else made


def detailed(details, **tender):
    return release(procurementMethodDetails=details, **tender)


def award(title, description=None, **tender):
    return release("award", title=title, description=description, **{**DESCRIBED, **tender})


CASES = {
    "an open procedure": (detailed("Open procedure"), "standard"),
    "Contracts Finder, call-off from a DPS": (
        detailed("Call-off from a dynamic purchasing system", title="School DPS"),
        "call_off_dps",
    ),
    "Contracts Finder, call-off from a framework": (
        detailed("Call-off from a framework agreement"),
        "call_off_framework",
    ),
    "in the buyer's own words": (detailed("Other - Direct Award from a Framework Contract"), "call_off_framework"),
    "the Act, award under framework": (detailed("Below threshold - award under framework"), "call_off_framework"),
    "the Act, award under framework, of one with the flag": (
        detailed("Award under framework", **FLAG),
        "call_off_framework",
    ),
    "the Act, dynamic market intended (UK13)": (release(notice_type="UK13", **DESCRIBED), "dps"),
    "the Act, dynamic market by its procedure": (detailed("Dynamic market"), "dps"),
    "the Act, dynamic market changed (UK15)": (release("award", notice_type="UK15"), "dps"),
    "a framework by its flag": (release(**DESCRIBED, **FLAG), "framework"),
    "a framework by a lot's flag": (release(lots=[FLAG]), "framework"),
    "a flag that denies it": (release(**DESCRIBED, techniques={"hasFrameworkAgreement": False}), "standard"),
    "a framework that refers to the one before": (release(related="framework", **DESCRIBED, **FLAG), "framework"),
    "called off, by the related process": (release(related="framework", **DESCRIBED), "call_off_framework"),
    "called off from a market, by the related process": (release(related="dynamicMarket", **DESCRIBED), "call_off_dps"),
    "called off from a market, by the related process's id": (
        {**release(related="framework", **DESCRIBED), "relatedProcesses": [{"id": "dynamicMarket"}]},
        "call_off_dps",
    ),
    "related in another way": (release(related="planning", **DESCRIBED), "standard"),
    "old rules, a DPS set up": (release(**DESCRIBED, **DPS_FLAG), "dps"),
    "old rules, awarded within a DPS": (award("Bus services", **DPS_FLAG, **OLD), "call_off_dps"),
    "a DPS by its number": (release("planning", title="Apprenticeships DPS000119", **DESCRIBED), "dps"),
    "old rules, awarded within a DPS by its title": (award("DPS for bus services", **OLD), "call_off_dps"),
    "title of a framework": (detailed("Open procedure", title="IDS Staffing Framework"), "framework"),
    "title of a framework, with more": (
        detailed("Open procedure", title="Framework for alternative provision"),
        "framework",
    ),
    "title of a framework agreement": (
        release(title="National Framework Agreement for wellbeing services"),
        "framework",
    ),
    "title of a DPS": (release("tenderUpdate", title="Goods-DPS-Alternative Fuel HGV"), "dps"),
    "title of a call-off": (
        detailed("Restricted procedure", title="Roofing framework - Call-Off 3"),
        "call_off_framework",
    ),
    "a name, not a framework": (release(title="Insurance for Framework Housing Association", **DESCRIBED), "standard"),
    "a framework of another kind": (release(title="Review of the regulatory framework", **DESCRIBED), "standard"),
    "a plan for a town": (release(title="Old Docks Regeneration Framework (ORF) Review", **DESCRIBED), "standard"),
    "initials within a word": (release(title="ADPS repairs", **DESCRIBED), "standard"),
    "awarded after a further competition": (
        award("Tracker 2026", "Further Competition via CCS RM6126 Research and Insights DPS"),
        "call_off_dps",
    ),
    "awarded through one that is named": (award("Homes", "Procured through L&Q framework."), "call_off_framework"),
    "awarded by use of one that is named": (
        award("Library", procurementMethodRationale="Use of the APUC framework for Library Systems"),
        "call_off_framework",
    ),
    "a subcontract under a framework": (
        detailed("Other", title="Highways Framework", description="Notification of subcontract package. Barriers"),
        "standard",
    ),
    "a contract to manage a framework": (
        detailed("Open procedure", title="Contract for the administration of the Care Homes Framework"),
        "standard",
    ),
    "a framework of managers": (
        detailed(
            "Open procedure", title="Managing Agent Framework", description="Agents. We are managing the framework"
        ),
        "framework",
    ),
    "beneath a framework": (
        award("Fleet", "Management of suppliers, sitting under the North Fleet Framework"),
        "standard",
    ),
    "managed under one of another kind": (award("Cisco", "Governance under one framework"), "standard"),
    "work by a framework of another kind, open to all bidders": (
        award(
            "Waste audits", "Audits of a council, using the NQA framework of the regulator", procurementMethod="open"
        ),
        "standard",
    ),
    "a further competition, called open": (
        award("School run", "AWARDED FOLLOWING A MINI COMPETITION UNDER THE COUNCIL'S DPS 7", procurementMethod="open"),
        "call_off_dps",
    ),
    "a direct award via a lot of a framework with long names": (
        award(
            "Pipes",
            "More pipes. Direct award via Lot 12 - Long and Winding Buried Pipes, Ducts and Cables of the North by "
            "North West Regional Consortium of Purchasing Organisations for Towns and Villages Framework for Works",
        ),
        "call_off_framework",
    ),
    "a direct award via who buys for all": (
        award("Telephony", "Direct award via Crown Commercial Service (CCS) Back Office 2"),
        "call_off_framework",
    ),
    "a direct award to who buys for all": (award("Advice", "Direct award to Crown Commercial Service"), "standard"),
    "awarded via a framework": (
        award("Surface dressing", "Awarded via framework agreement for works"),
        "call_off_framework",
    ),
    "awarded via a framework whose number has a dot": (
        award(
            "Monitoring tool", "Awarded via Government Commercial Agency (GCA) RM1557.14 G-Cloud 14 Framework Agreement"
        ),
        "call_off_framework",
    ),
    "through one of a buyer with an abbreviation": (
        award("Monitoring tool", "Let through Government Commercial Agency (GCA) Cloud Framework"),
        "call_off_framework",
    ),
    "old rules, the reason for not calling for bids": (
        award("HVAC", procurementMethodRationale="Completed a further competition via Northern Housing Consortium DPS"),
        "call_off_dps",
    ),
    "old rules, a direct award under a framework": (
        award("Study", procurementMethodRationale="Direct Award under the MPS Construction Framework"),
        "call_off_framework",
    ),
    "setting one up, with competitions to come": (
        award("Retrofit", "We are setting up a DPS for retrofit works. Mini competitions will be issued under the DPS"),
        "dps",
    ),
    "setting one up, with contracts to come": (
        award(
            "Paving",
            "We are setting up a framework. Contracts to be called-off under the framework, or that may be "
            "awarded under it or under the framework that follows, have its terms",
        ),
        "framework",
    ),
    "one that was set up": (
        award("Signs", "The Council has put in place a multi-lot, multi-supplier Framework Contract for its signs"),
        "framework",
    ),
    "one that was entered into": (award("Signs", "Entered into a framework with two makers"), "framework"),
    "one that was established": (award("Signs", "The Council has established its framework for signs"), "framework"),
    "one that was created": (award("Signs", "We have created a DPS of makers"), "dps"),
    "one that is updated": (release(description="We are updating the DPS for signs", **DESCRIBED), "dps"),
    "one that is opened again": (release(description="The Council is re-opening its DPS", **DESCRIBED), "dps"),
    "an agreement let as a framework agreement": (
        award("Signs", "An agreement on signs, let as a multi-lot, multi-supplier framework agreement"),
        "framework",
    ),
    "a plan that serves as a framework": (award("Signs", "A plan of signs as a framework for them"), "standard"),
    "renewal of a framework": (award("Vehicles", "Renewal of a national framework for vehicles"), "framework"),
    "a tender does not call off yet": (
        release(description="Further competition under the framework will follow", **DESCRIBED),
        "standard",
    ),
    "the Act, an award that tells of it": (
        release("award", "UK7", description="Traffic counters via RM1234 CCS Traffic Framework", **DESCRIBED),
        "call_off_framework",
    ),
    "the Act, called off from one that is not called a framework": (
        release("award", "UK7", description="Calling off from C1234 Research Panel.", **DESCRIBED),
        "call_off_framework",
    ),
    "the Act, an award whose reason tells of it": (
        release("award", "UK7", procurementMethodRationale="Available on direct call off from NHS Framework"),
        "call_off_framework",
    ),
    "an award that sets one up for several": (
        {
            **release("award", description="Call-offs under the Kit Framework follow its terms", **FLAG),
            "awards": [{"suppliers": [{"id": "1", "name": "One"}, {"id": "2", "name": "Two"}]}],
        },
        "framework",
    ),
    "an award that sets one up": (release("award", description="Award to one supplier", **FLAG), "framework"),
    "a call-off by its title, flagged as its framework is": (
        release("award", title="Works Framework - Call-off 3", **FLAG),
        "call_off_framework",
    ),
    "old rules, a purchase via one that is flagged": (
        award("Power tools", procurementMethodRationale="Purchase via NHS Supply Framework", **FLAG, **OLD),
        "call_off_framework",
    ),
    "old rules, a competition within a DPS that is flagged as a framework": (
        award("Catering", "The Trust has awarded a further competition through the 879 Support DPS", **FLAG, **OLD),
        "call_off_dps",
    ),
    "a tender with a flag does not call off yet": (
        release(description="Awarded via the National Homes Framework", **FLAG),
        "framework",
    ),
    "the Act, a pipeline whose flag means where it comes from": (
        release("planning", "UK1", description="This will be procured via Crown Service framework RM1.", **FLAG),
        "call_off_framework",
    ),
    "the Act, a pipeline with a flag": (release("planning", "UK1", description="Cleaning", **FLAG), "framework"),
    "the Act, a plan for one that works will be procured through": (
        release("planning", "UK2", title="Works Framework", description="Procured via the Works Framework", **FLAG),
        "framework",
    ),
    "the Act, a plan for one that is described": (
        release(
            "planning",
            "UK3",
            description="To be awarded under the Works Framework",
            techniques={"hasFrameworkAgreement": True, "frameworkAgreement": {"method": "withReopeningCompetition"}},
        ),
        "framework",
    ),
    "the Act, a plan to use one": (
        release(
            "planning",
            "UK2",
            description="We intend to utilise the Crown Courier, Storage and Special Solutions Framework (RM1), Lot 3c",
            **DESCRIBED,
        ),
        "call_off_framework",
    ),
    "the Act, a plan for the next one": (
        release("planning", "UK2", description="to assist in a new iteration of the framework.", **DESCRIBED),
        "framework",
    ),
    "the Act, a plan that is aligned to one of another kind": (
        release("planning", "UK2", description="aligned to the Council's Skills Framework", **DESCRIBED),
        "standard",
    ),
    "the Act, descriptions of tenders are not asked": (
        release(notice_type="UK4", description="Awarded via the National Homes Framework", **DESCRIBED),
        "standard",
    ),
    "a cancellation, with the ids of its lots": (
        release("tenderCancellation", notice_type="UK12", lots=[{"id": "1", "status": "cancelled"}]),
        None,
    ),
    "a termination": (release("contractTermination", title="Heat network"), None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("given", "mechanism"), CASES.values(), ids=CASES)
def test_contract_mechanism(given, mechanism):
    assert contract_mechanism(Release(given)) == mechanism
