// Makes elements from the overview: one section for each source, and one for the buyers.
import { bars, ranking } from "./charts.js";
import { duration, el, moment, number, percent } from "./dom.js";

const MODE_CLASS = { syncing: "good", backfilling: "busy", "in error": "bad", "never run": "quiet" };
const OUTCOME_CLASS = { done: "good", running: "busy", failed: "bad", died: "bad" };
const SECTORS_SHOWN = 12;

export function sourceSection(source, page) {
  return el("section", { "data-source": source.source },
    el("div", { class: "head" },
      el("h2", {}, source.title),
      el("span", { class: `badge ${MODE_CLASS[source.mode] ?? ""}`, "data-fact": "mode" }, source.mode),
      page.openInAirflow(`dags/${encodeURIComponent(source.dagId)}`, `DAG ${source.dagId}`)),
    el("p", {}, source.sentence),
    place(source),
    source.backfill && backfill(source.backfill),
    lastRun(source.lastRun),
    charts(source),
    el("div", { class: "columns" },
      ranking("By stage", source.stages, "stage"),
      ranking("By sector", topAndRest(source.sectors), "sector")),
    audit(source.audit),
    rejected(source, page),
    errors(source, page));
}

export function buyersSection(buyers) {
  const rows = buyers.map((buyer) => ({ name: `${buyer.name} (${buyer.orgId})`, contracts: buyer.contracts }));
  return el("section", { class: "wide", id: "buyers" }, el("h2", {}, "Buyers"), ranking("With most contracts", rows, "buyer"));
}

function facts(pairs, size = "") {
  const shown = pairs.filter(Boolean);
  return el("dl", { class: `facts ${size}` }, shown.map(([name, value, more, kind]) => el("div", {},
    el("dt", {}, name), el("dd", { "data-fact": name.toLowerCase() },
      el("strong", { class: kind ?? false }, value), more ? el("div", { class: "quiet" }, more) : null))));
}

function place(source) {
  const age = source.watermarkAgeSeconds;
  const { window, lease } = source;
  return facts([
    ["Watermark", source.watermark ? moment(source.watermark) : "none yet",
      age === null ? "" : `${duration(age)} old`, source.stale ? "bad" : null],
    ["Contracts stored", number(source.contracts), source.undated ? `${number(source.undated)} without a date` : ""],
    ["Open window", window ? moment(window.from) : "none", window ? `to ${moment(window.to)}, ${window.pages} page${window.pages === 1 ? "" : "s"} read` : ""],
    ["Lease", lease ? (lease.expired ? "expired" : "held") : "free",
      lease ? `${lease.owner}, until ${moment(lease.expiresAt)}` : "no run is at work", lease?.expired ? "warn" : null],
  ]);
}

function backfill(progress) {
  return el("div", { "data-fact": "backfill" },
    el("h3", {}, "Backfill"),
    el("progress", { max: 1, value: progress.share, "aria-label": "share of the history read" }),
    facts([
      ["Of the time range", percent(progress.share), `from ${progress.from.slice(0, 10)}`],
      ["Releases so far", number(progress.releases)],
      ["Rate", progress.releasesPerHour === null ? "not known yet" : `${number(progress.releasesPerHour)} an hour`, "over the last day's runs"],
      ["Expected end", progress.expectedEnd ? moment(progress.expectedEnd) : "not known yet", progress.expectedEnd ? "if it goes on like this" : ""],
    ]));
}

function lastRun(run) {
  if (!run) return el("p", { class: "quiet" }, "No run yet.");
  const kind = OUTCOME_CLASS[run.outcome] ?? null;
  const counts = ["fetched", "created", "updated", "unchanged", "rejected", "doubled"];
  return el("div", { "data-fact": "last run" },
    el("h3", {}, "Last run"),
    facts([
      ["Outcome", run.outcome, run.reason || run.mode, kind],
      ["Began", moment(run.startedAt), `${run.endedAt ? "lasted" : "for"} ${duration(run.lastedSeconds)}`],
      ["Requests", number(run.requests)],
      ["Waited", duration(run.waitedSeconds), "its turn, rate limits"],
    ]),
    facts(counts.map((name) => [name[0].toUpperCase() + name.slice(1), number(run[name]), "",
      name === "rejected" && run.rejected ? "warn" : null]), "small"),
    run.error && el("p", { class: "bad" }, run.error));
}

function charts(source) {
  const label = (run) => `${moment(run.startedAt)} ${run.outcome}`;
  const parts = ["created", "updated", "unchanged", "rejected"];
  const gaps = source.days.filter((day) => day.gap).map((day) => day.day);
  const missing = `${gaps.length} working day${gaps.length === 1 ? "" : "s"} without a notice: ${gaps.slice(-5).join(", ")}`;
  return el("div", {},
    el("h3", {}, "Runs and notices"),
    bars("Releases per run", source.runs.map((run) => (
      { label: label(run), parts: parts.map((name) => ({ name, n: run[name] })) })), { keys: parts }),
    bars("Time waited per run", source.runs.map((run) => (
      { label: label(run), parts: [{ name: "waited", n: run.waitedSeconds }] })), { format: duration }),
    bars("Notices published per day, as stored", source.days.map((day) => (
      { label: day.day, gap: day.gap, parts: [{ name: "stored", n: day.contracts }] }))),
    gaps.length ? el("p", { class: "bad", "data-fact": "gaps" }, missing) : null,
    bars("Notices published per month, as stored", source.months.map((month) => (
      { label: month.month, parts: [{ name: "stored", n: month.contracts }] }))));
}

function topAndRest(rows) {
  const rest = rows.slice(SECTORS_SHOWN).reduce((sum, row) => sum + row.contracts, 0);
  const top = rows.slice(0, SECTORS_SHOWN);
  return rest ? [...top, { name: `${rows.length - SECTORS_SHOWN} others`, contracts: rest }] : top;
}

function audit(found) {
  const heading = el("h3", {}, "Last audit");
  if (!found) return el("div", { "data-fact": "audit" }, heading, el("p", { class: "quiet" }, "no audit yet"));
  const kind = OUTCOME_CLASS[found.outcome] ?? null;
  const wrong = found.missing + found.stale;
  return el("div", { "data-fact": "audit" }, heading, facts([
    ["Outcome", found.outcome, moment(found.endedAt ?? found.startedAt), kind === "good" && wrong ? "warn" : kind],
    ["Range", found.from ? found.from.slice(0, 10) : "–", found.to ? `to ${found.to.slice(0, 10)}` : ""],
    ["Windows checked", number(found.windowsChecked)],
    ["Missing", number(found.missing), "", found.missing ? "bad" : null],
    ["Stale", number(found.stale), "", found.stale ? "bad" : null],
    ["Repaired", number(found.repaired)],
  ]), found.named.length ? el("p", { class: "quiet" }, `such as ${found.named.join(", ")}`) : null);
}

function rejected(source, page) {
  const { count, orMore, latest } = source.rejected;
  const line = (release) => el("tr", {},
    el("td", {}, release.noticeId ?? "no id", el("div", { class: "quiet" }, moment(release.at))),
    el("td", {}, release.reason),
    el("td", { class: "number" },
      el("button", { type: "button", onclick: () => page.showRaw(release.key) }, "raw"), " ",
      page.openInAirflow(`dags/${encodeURIComponent(source.dagId)}`, "replay")));
  return el("div", { "data-fact": "rejected releases" },
    el("h3", {}, `Rejected releases: ${number(count)}${orMore ? " or more" : ""}`),
    latest.length ? el("p", { class: "quiet" },
      "To try all of them again, trigger the DAG in mode “replay rejected”; to read a range again, in mode “replay”.") : null,
    latest.length
      ? el("table", { class: "releases" }, el("thead", {}, el("tr", {}, ["notice", "reason", ""].map((name) => el("th", {}, name)))),
        el("tbody", {}, latest.map(line)))
      : el("p", { class: "quiet" }, "none"));
}

function errors(source, page) {
  const suspects = source.suspects.map((each) => `${moment(each.from)} to ${moment(each.to)}: ${each.reason}`);
  const list = (title, lines, open) => {
    const details = el("details", {}, el("summary", {}, `${title}: ${lines.length}`),
      el("ul", { class: "lines" }, lines.map((line) => el("li", {}, line))));
    return open ? page.remember(`${source.source} ${title}`, details) : details;
  };
  return el("div", { "data-fact": "errors" },
    el("h3", {}, "Last errors"),
    source.errors.length ? list("Errors, newest first", source.errors, true) : el("p", { class: "quiet" }, "none"),
    suspects.length ? list("Windows closed without a believable end", suspects, true) : null);
}
