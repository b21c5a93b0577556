"""Web addresses as notices write them."""

from __future__ import annotations

import pytest

from tender_sync.mapping.links import address_within, web_address


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (
            " https://procontract.due-north.com/Advert?advertId=1&p=2 ",
            "https://procontract.due-north.com/Advert?advertId=1&p=2",
        ),
        ("HTTP://Www.mycake.org", "HTTP://Www.mycake.org"),
        ("https://tap.tcsapps.com/tap2/#/register", "https://tap.tcsapps.com/tap2/#/register"),
        ("https://atamis-clarion--prospend.vf.force.com/apex", "https://atamis-clarion--prospend.vf.force.com/apex"),
        ("https://example.org:8443/x", "https://example.org:8443/x"),
        ("www.ariba.com", "https://www.ariba.com"),
        ("etendersni.gov.uk/epps", "https://etendersni.gov.uk/epps"),
        ("http://Contract Finder", None),
        ("tenders@harrogatetowncouncil.gov.uk", None),
        ("javascript:alert(1)", None),
        ("ftp://example.org/x", None),
        ("https://localhost/x", None),
        ("https://example.org/a b", None),
        ('https://exa"mple.org', None),
        ("n/a", None),
        ("e.g", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_whole_address(given, address):
    assert web_address(given) == address


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("www.the-chest.org.uk", "https://www.the-chest.org.uk"),
        (
            "Use the platform:\nhttps://fcdo.bravosolution.co.uk/web/login.html",
            "https://fcdo.bravosolution.co.uk/web/login.html",
        ),
        ("Via our portal (www.contracts.mod.uk). Register first.", "https://www.contracts.mod.uk"),
        (
            "Apply via https://health-family.force.com/s/Welcome.\nReference C1",
            "https://health-family.force.com/s/Welcome",
        ),
        ("See (https://in-tendhost.co.uk/dover/aspx/Home).", "https://in-tendhost.co.uk/dover/aspx/Home"),
        ("https://example.org/a_(b)", "https://example.org/a_(b)"),
        ('"The Chest": https://www.the-chest.org.uk/"', "https://www.the-chest.org.uk/"),
        ("First www.the-chest.org.uk, then https://procontract.due-north.com/x", "https://www.the-chest.org.uk"),
        ("Write to bids@www.example.org", None),
        ("Email: miranda.poulson@ahdb.org.uk Reference: swine fever", None),
        ("25 Helena Road\nYeovil", None),
        (None, None),
    ],
)
def test_an_address_within_a_text(given, address):
    assert address_within(given) == address
