// Reads the overview every few seconds and shows it. After a failure the page keeps its content, marked as old.
import { el, moment, duration } from "./dom.js";
import { buyersSection, sourceSection } from "./sections.js";

const content = document.getElementById("content");
const problem = document.getElementById("problem");
const freshness = document.getElementById("freshness");
const opened = new Set();
const TIMEOUT_MS = 10_000;
let readAt = null;

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), headers: { Accept: "application/json" } });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  if (answer.status === 401) throw new Error("Your Airflow session has ended: log in again and come back.");
  if (answer.status === 403) throw new Error("Your Airflow user may not see the DAGs, and so not this page either.");
  throw new Error(body.problem ?? body.detail ?? `Airflow answered ${answer.status}.`);
}

async function refresh() {
  let wait = 5;
  try {
    const overview = await ask("api/overview");
    wait = overview.refreshSeconds;
    show(overview);
    showProblem("");
  } catch (failure) {
    showProblem(failure.name === "TimeoutError" ? `Airflow did not answer within ${TIMEOUT_MS / 1000} s.` : failure.message);
  }
  setTimeout(refresh, 1000 * wait);
}

function show({ now, refreshSeconds, sources, buyers }) {
  // While somebody selects text to copy, nothing changes, not even the stated age.
  if (!getSelection().isCollapsed) return;
  readAt = new Date();
  freshness.textContent = `as of ${moment(now)}:${now.slice(17, 19)} UTC, like all times here; read again every ${refreshSeconds} s`;
  const focused = focusable().indexOf(document.activeElement);
  content.replaceChildren(
    ...sources.map((source) => sourceSection(source, { openInAirflow, showRaw, remember })),
    buyersSection(buyers),
  );
  focusable()[focused]?.focus({ preventScroll: true });
}

const focusable = () => [...content.querySelectorAll("a, button, summary")];

function showProblem(text) {
  problem.hidden = !text;
  problem.textContent = text && readAt ? `${text.replace(/\.?$/, ".")} What is shown below is ${duration((Date.now() - readAt) / 1000)} old.` : text;
  content.classList.toggle("old", Boolean(text));
}

// A <details> that was open stays open when the page is drawn again.
function remember(key, details) {
  details.open = opened.has(key);
  details.addEventListener("toggle", () => (details.open ? opened.add(key) : opened.delete(key)));
  return details;
}

// Airflow shows this page in a frame, which may not navigate the window around it. The outer document may.
function openInAirflow(path, text) {
  const link = el("a", { href: new URL(`../${path}`, document.baseURI).href, target: "_top" }, text);
  link.addEventListener("click", (event) => {
    if (window.parent === window) return;
    event.preventDefault();
    const outside = window.parent.document;
    const twin = outside.createElement("a");
    twin.href = link.href;
    outside.body.append(twin);
    twin.click();
    twin.remove();
  });
  return link;
}

async function showRaw(key) {
  const title = document.getElementById("raw-title");
  const reason = document.getElementById("raw-reason");
  const text = document.getElementById("raw-text");
  title.textContent = "Rejected release";
  reason.textContent = "Reading …";
  text.textContent = "";
  document.getElementById("raw").showModal();
  try {
    const release = await ask(`api/rejected/${encodeURIComponent(key)}`);
    title.textContent = release.noticeId ? `Rejected release ${release.noticeId}` : "Rejected release without an id";
    reason.textContent = release.reason;
    text.textContent = release.cut ? `${release.raw}\n… cut here` : release.raw;
  } catch (failure) {
    reason.textContent = failure.message;
  }
}

refresh();
