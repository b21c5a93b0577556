"""The page "Tender sync" in a real browser: from the login to what it shows while the sync is at work."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from selenium.webdriver.common.by import By

from tests.browser.pages import TriggerForm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.pages import Browser

FTS, CF = "FIND_A_TENDER", "CONTRACTS_FINDER"
SCRIPT = "<script>document.title='taken over'</script><img src=x onerror=\"document.title='taken over'\">"


def share(page):
    """The percentage of the history read, as the page says it."""
    said = page.fact(FTS, "of the time range")
    return float(said.split(" ")[0]) if said else None


def test_running_backfill_is_seen_to_advance(page):
    """The tests begin here: the backfill lasts three quarters of a minute, once Airflow has started it."""
    page.until(lambda: page.fact(FTS, "outcome").startswith("running") and share(page), "a running backfill", 180)
    first = share(page)
    assert first < 100
    page.until(lambda: (share(page) or 101) > first, "more than that")
    assert page.fact(FTS, "mode") == "backfilling"
    assert page.fact(FTS, "lease").startswith("held\nfind_a_tender/")
    assert "an hour" in page.fact(FTS, "rate")
    page.until(lambda: "if it goes on" in page.fact(FTS, "expected end"), "an expected end")
    assert page.all("iframe") == [], "looked at within the frame"
    page.until(lambda: page.fact(FTS, "mode") == "syncing", "the end of the backfill", seconds=180)
    assert page.fact(FTS, "backfill") == ""
    page.until(lambda: page.fact(FTS, "lease").startswith("free"), "the lease given back")


def test_page_says_what_mongodb_holds(page, ui):
    for source in (FTS, CF):
        page.until(lambda source=source: page.fact(source, "mode") == "syncing", "both sources to be syncing", 180)
        run = ui.db.syncRuns.find_one({"source": source}, sort=[("startedAt", -1)])
        count = ui.db.contracts.count_documents({"source": source})
        assert page.fact(source, "contracts stored").split("\n")[0] == f"{count:,}"
        for name in ("fetched", "created", "updated", "unchanged", "rejected", "requests"):
            assert page.fact(source, name) == f"{run.get(name, 0):,}"
        assert page.fact(source, "outcome").startswith("done")
        assert "no audit yet" in page.fact(source, "audit")
    busiest = ui.db.buyers.find_one(sort=[("contractCount", -1)])
    assert busiest["name"] in page.said("#buyers")


def test_hostile_text_is_shown_and_not_obeyed(page, ui):
    ui.db.buyers.insert_one({"name": SCRIPT, "orgId": "evil", "contractCount": 10**6})
    ui.db.rejectedReleases.insert_one(
        {
            "source": FTS,
            "contentHash": "evil",
            "noticeId": "long" * 50 + SCRIPT,
            "reason": SCRIPT,
            "runId": SCRIPT,
            "createdAt": ui.db.client.admin.command("hello")["localTime"],
            "raw": {"title": SCRIPT},
        }
    )
    ui.db.syncJobs.update_one({"source": FTS}, {"$push": {"errorLog": SCRIPT}})
    try:
        page.until(lambda: SCRIPT in page.said("#buyers"), "the buyer's name")
        assert SCRIPT in page.fact(FTS, "rejected releases")
        assert fits(page)
        page.click(f'section[data-source="{FTS}"] summary')
        page.until(lambda: SCRIPT in page.fact(FTS, "errors"), "the error")
        page.click(f'section[data-source="{FTS}"] [data-fact="rejected releases"] button')
        page.until(lambda: SCRIPT.replace('"', '\\"') in page.said("#raw-text"), "the raw release")
        assert page.run("return document.title") == "Tender sync"
        assert page.all("main script, main img, dialog script, dialog img") == []
    finally:
        ui.db.buyers.delete_one({"orgId": "evil"})
        ui.db.rejectedReleases.delete_one({"contentHash": "evil"})
        ui.db.syncJobs.update_one({"source": FTS}, {"$pull": {"errorLog": SCRIPT}})


def test_rejected_release_is_shown_raw_and_leads_to_its_dag(page, ui):
    rejected = {"source": CF, "contentHash": "odd", "noticeId": None, "runId": "r", "reason": "its id is 7.5"}
    now = ui.db.client.admin.command("hello")["localTime"]
    ui.db.rejectedReleases.insert_one({**rejected, "createdAt": now, "raw": {"id": 7.5}})
    where = f'section[data-source="{CF}"] [data-fact="rejected releases"]'
    page.until(lambda: rejected["reason"] in page.fact(CF, "rejected releases"), "the rejected release")
    page.click(f"{where} button")
    page.until(lambda: "7.5" in page.said("#raw-text"), "the raw release")
    page.click("dialog button")
    assert not page.run("return document.getElementById('raw').open")
    page.click(f"{where} a")
    page.chrome.switch_to.default_content()
    page.until(
        lambda: page.chrome.current_url.startswith(f"{page.address}/dags/contracts_finder"), "Airflow's own page"
    )
    ui.db.rejectedReleases.delete_one({"contentHash": "odd"})


def test_replay_triggered_from_the_form_brings_back_what_was_lost(page, ui):
    """A contract is lost; its day, which is one of UTC, is read again by the form of the DAG the page leads to."""
    page.until(lambda: page.fact(CF, "mode") == "syncing", "the end of the backfill", 180)
    watermark = ui.db.syncJobs.find_one({"source": CF})["lastSyncedDate"]
    lost = ui.db.contracts.find({"source": CF}).sort("publishedDate", 1).skip(500).next()
    ui.db.contracts.delete_one({"_id": lost["_id"]})
    day = lost["publishedDate"].replace(hour=0, minute=0, second=0, microsecond=0)
    page.click(f'section[data-source="{CF}"] .head a')
    form = TriggerForm(page)
    form.choose("replay")
    form.fill_in("From (UTC)", f"{day:%Y-%m-%d}")
    form.fill_in("To (UTC)", f"{day + timedelta(days=1):%Y-%m-%d}")
    form.trigger()
    page.open_page()
    page.until(lambda: page.fact(CF, "outcome") == "done\nreplay", "the replay's result", 120)
    assert page.fact(CF, "created") == "1"
    assert int(page.fact(CF, "unchanged")) > 0
    assert ui.db.contracts.find_one({"noticeId": lost["noticeId"]}, {"_id": 0, "title": 1}) == {"title": lost["title"]}
    run = ui.db.syncRuns.find_one({"source": CF, "mode": "replay"})
    assert run["range"] == {"from": day, "to": day + timedelta(days=1)}
    assert ui.db.syncJobs.find_one({"source": CF})["lastSyncedDate"] == watermark, "the source was not moved"


def test_audit_that_found_something_missing_is_shown_with_what_it_found(page, ui):
    page.until(lambda: page.fact(CF, "mode") == "syncing", "the end of the backfill", 180)
    some_days_ago = ui.db.syncJobs.find_one({"source": CF})["backfillCompletedAt"] - timedelta(days=4)
    found = ui.db.contracts.find({"source": CF, "publishedDate": {"$lt": some_days_ago}}).sort("publishedDate", -1)
    lost = [contract["noticeId"] for contract in found.limit(3)]
    ui.db.contracts.delete_many({"source": CF, "noticeId": {"$in": lost}})
    ui.unpause("completeness_audit")  # which begins none by itself before the next Sunday
    run = ui.trigger("completeness_audit", source=CF)
    page.until(lambda: "such as" in page.fact(CF, "audit"), "what the audit found", 180)
    page.until(lambda: page.fact(CF, "audit").split("\n")[2].startswith("done"), "its end", 180)
    assert page.fact(CF, "missing") == page.fact(CF, "repaired") == "3"
    assert page.fact(CF, "stale") == "0"
    assert int(page.fact(CF, "windows checked")) > 1
    assert all(notice_id in page.fact(CF, "audit") for notice_id in lost)
    assert ui.db.contracts.count_documents({"source": CF, "noticeId": {"$in": lost}}) == 3
    page.until(lambda: ui.tasks("completeness_audit", run)["audit_contracts_finder"] == "failed", "its failure")


def test_audit_that_failed_is_not_shown_as_good(page, ui):
    began = ui.db.client.admin.command("hello")["localTime"]
    found = dict.fromkeys(("windowsChecked", "missing", "stale", "repaired"), 0)
    failed = {"source": FTS, "startedAt": began, "endedAt": began, "from": began, "to": began, "outcome": "failed"}
    ui.db.syncAudits.insert_one(failed | found)
    page.until(lambda: "failed" in page.fact(FTS, "audit"), "the audit")
    outcome = f'section[data-source="{FTS}"] [data-fact="audit"] [data-fact="outcome"] strong'
    assert page.find(outcome).get_attribute("class") == "bad"


def test_what_stays_while_text_is_marked_is_not_said_to_be_newer(page):
    """Somebody marks a holder's name to copy it, and looks again an hour later."""
    page.run("getSelection().selectAllChildren(document.querySelector('section h2'))")
    said = page.said("#freshness")
    time.sleep(7)
    assert page.said("#freshness") == said
    page.run("getSelection().removeAllRanges()")
    page.until(lambda: page.said("#freshness") != said, "the page to be drawn anew")


def test_theme_follows_airflows_switch(page):
    colours = {}
    for theme in ("dark", "light"):
        page.chrome.switch_to.default_content()
        page.run(f"localStorage.setItem('theme', '{theme}')")
        page.chrome.switch_to.frame(page.find("iframe"))
        page.until(lambda theme=theme: page.run("return document.documentElement.dataset.theme") == theme, theme)
        colours[theme] = page.run("return getComputedStyle(document.body).backgroundColor")
    assert colours["dark"] != colours["light"]
    page.run("localStorage.removeItem('theme')")


def test_nothing_comes_from_anywhere_else_and_nothing_is_refused(page):
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert any(name.endswith("/api/overview") for name in loaded)
    assert [name for name in loaded if not name.startswith(f"{page.address}/tender-sync/")] == []
    page.chrome.get_log("browser")
    page.open_page()
    said = [entry["message"] for entry in page.chrome.get_log("browser") if entry["level"] == "SEVERE"]
    assert said == [], "such as a breach of the content security policy"


def test_injected_script_does_not_run(page):
    """Were markup ever let through, the content security policy would still stop it."""
    page.run(
        "const made = document.createElement('script'); made.textContent = \"document.title = 'taken over'\";"
        "document.body.append(made);"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title = 1\">')"
    )
    time.sleep(0.5)
    assert page.run("return document.title") == "Tender sync"


def test_mongodb_that_does_not_answer_is_said_and_what_was_read_stays(page, ui):
    contracts = page.fact(CF, "contracts stored")
    os.kill(ui.mongod_pid, signal.SIGSTOP)
    try:
        page.until(lambda: "MongoDB" in page.said("#problem"), "the page to say so")
        assert "old" in page.find("#content").get_attribute("class")
        assert page.fact(CF, "contracts stored") == contracts
    finally:
        os.kill(ui.mongod_pid, signal.SIGCONT)
    page.until(lambda: not page.said("#problem"), "it to be found again")
    assert page.find("#content").get_attribute("class") == ""


def test_nobody_sees_it_without_a_login(start_browser, ui):
    with start_browser() as stranger:
        stranger.chrome.get(f"{ui.address}/tender-sync/")
        assert "Not authenticated" in stranger.said("body")
        stranger.chrome.get(f"{ui.address}/plugin/tender-sync")
        stranger.until(lambda: "/auth/login" in stranger.chrome.current_url, "the login")


def test_user_without_permission_is_refused_and_viewer_may_look(start_browser, ui):
    for name, allowed in (("nora", False), ("vera", True)):
        with start_browser() as browser:
            browser.login(name)
            browser.chrome.get(f"{ui.address}/tender-sync/")
            if allowed:
                browser.find("section[data-source]")
            else:
                assert "Forbidden" in browser.said("body")
                assert browser.chrome.find_elements(By.CSS_SELECTOR, "section") == []


def test_page_fits_its_window_in_both_themes(start_browser, screenshots):
    with start_browser() as browser:
        browser.login("anna")
        browser.chrome.set_window_size(1400, 1750)
        browser.open_page()
        browser.until(lambda: browser.fact(CF, "mode") == "syncing", "a source that is syncing", 180)
        for theme in ("light", "dark"):
            browser.run(f"localStorage.setItem('theme', '{theme}')")
            shoot(browser, screenshots / f"page-{theme}.png")
        browser.chrome.set_window_size(500, 900)
        browser.chrome.get(f"{browser.address}/tender-sync/")
        browser.find("section[data-source]")
        assert fits(browser), "nor on a narrow screen"


def shoot(browser: Browser, file: Path) -> None:
    browser.open_page()
    assert fits(browser)
    browser.chrome.switch_to.default_content()
    browser.chrome.save_screenshot(str(file))


def fits(browser: Browser) -> bool:
    """Say whether nothing sticks out of the window, nor of its section."""
    parts = "[document.documentElement, ...document.querySelectorAll('section')]"
    return browser.run(f"return {parts}.every((part) => part.scrollWidth <= part.clientWidth)")
