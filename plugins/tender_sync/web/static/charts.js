// Bar charts as plain SVG. A bar is one unit wide and stretched to the space; texts are outside, unstretched.
import { el, number, svg } from "./dom.js";

const HEIGHT = 100;
// Fewer bars than this stay narrow, at the right, where the newest are.
const LEAST_BARS = 30;

// points: [{label, parts: [{name, n}], gap}]. Parts are stacked. A name is also the class that colours its part.
export function bars(title, points, { format = number, keys = [] } = {}) {
  if (!points.length) return figure(title, "", el("p", { class: "quiet" }, "nothing yet"));
  const sums = points.map((point) => point.parts.reduce((sum, part) => sum + part.n, 0));
  const most = Math.max(...sums, 1);
  const slots = Math.max(points.length, LEAST_BARS);
  const chart = svg("svg", {
    class: "bars", viewBox: `0 0 ${slots} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${title}: ${points.length} bars, at most ${format(most)}`,
  });
  points.forEach((point, at) => chart.append(bar(point, slots - points.length + at, most, format)));
  const legend = keys.map((key) => el("span", { class: `key key-${key}` }, key));
  const ends = el("figcaption", {}, el("span", {}, points.length < LEAST_BARS ? "" : points[0].label),
    el("span", {}, points.at(-1).label));
  return figure(title, [legend, el("span", { class: "most" }, `most ${format(most)}`)], chart, ends);
}

function figure(title, aside, ...content) {
  return el("figure", {}, el("figcaption", {}, el("span", {}, title), el("span", {}, aside)), content);
}

function bar(point, at, most, format) {
  const text = point.parts.filter((part) => part.n).map((part) => `${format(part.n)} ${part.name}`).join(", ");
  const group = svg("g", {}, svg("title", {}, `${point.label}: ${text || "none"}`));
  group.append(svg("rect", { x: at, y: 0, width: 1, height: HEIGHT, fill: "transparent" }));
  if (point.gap) group.append(svg("rect", { class: "gap", x: at, y: 0, width: 1, height: HEIGHT }));
  let top = HEIGHT;
  for (const part of point.parts) {
    const height = (HEIGHT * part.n) / most;
    top -= height;
    if (part.n) group.append(svg("rect", { class: part.name, x: at + 0.08, y: top, width: 0.84, height }));
  }
  return group;
}

// rows: [{name, contracts}], largest first. A bar is as long as its row's share of the first.
export function ranking(title, rows, heading) {
  const most = Math.max(rows[0]?.contracts ?? 0, 1);
  const line = (row) => el("tr", {},
    el("td", {}, row.name),
    el("td", {}, svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "track", width: 100, height: 1 }),
      svg("rect", { class: "stored", width: Math.min((100 * row.contracts) / most, 100), height: 1 }))),
    el("td", { class: "number" }, number(row.contracts)));
  return el("div", {},
    el("h3", {}, title),
    rows.length
      ? el("table", { class: "ranking" }, el("thead", {}, el("tr", {}, el("th", {}, heading), el("th"), el("th", { class: "number" }, "contracts"))),
        el("tbody", {}, rows.map(line)))
      : el("p", { class: "quiet" }, "none stored yet"));
}
