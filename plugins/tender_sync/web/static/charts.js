// Bar charts as plain SVG: one unit of width a bar, stretched to the room there is; words stand beside, unstretched.
import { el, number, svg } from "./dom.js";

const HEIGHT = 100;
// A few bars stand at the right, where the newest are, rather than as broad as the page.
const LEAST_BARS = 30;

// points: [{label, parts: [{name, n}], gap}]; parts are stacked, and named by the class that colours them.
export function bars(title, points, { say = number, keys = [] } = {}) {
  if (!points.length) return figure(title, "", el("p", { class: "quiet" }, "nothing yet"));
  const sums = points.map((point) => point.parts.reduce((sum, part) => sum + part.n, 0));
  const most = Math.max(...sums, 1);
  const slots = Math.max(points.length, LEAST_BARS);
  const chart = svg("svg", {
    class: "bars", viewBox: `0 0 ${slots} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${title}: ${points.length} bars, at most ${say(most)}`,
  });
  points.forEach((point, at) => chart.append(bar(point, slots - points.length + at, most, say)));
  const legend = keys.map((key) => el("span", { class: `key key-${key}` }, key));
  const ends = el("figcaption", {}, el("span", {}, points.length < LEAST_BARS ? "" : points[0].label),
    el("span", {}, points.at(-1).label));
  return figure(title, [legend, el("span", { class: "most" }, `most ${say(most)}`)], chart, ends);
}

function figure(title, aside, ...content) {
  return el("figure", {}, el("figcaption", {}, el("span", {}, title), el("span", {}, aside)), content);
}

function bar(point, at, most, say) {
  const said = point.parts.filter((part) => part.n).map((part) => `${say(part.n)} ${part.said ?? part.name}`).join(", ");
  const group = svg("g", {}, svg("title", {}, `${point.label}: ${said || "none"}`));
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

// rows: [{name, contracts}], most first, each with a bar as long as its share of the first.
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
