// Makes elements. Every text becomes a text node, never markup: strangers write the notices.

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const number = (n) => Number(n).toLocaleString("en-GB");
export const percent = (share) => `${(100 * share).toFixed(1)} %`;
export const moment = (iso) => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 16)}` : "–");

const UNITS = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export function duration(seconds) {
  const whole = Math.max(Math.round(seconds), 0);
  const at = UNITS.findIndex(([, size]) => whole >= size);
  if (at === -1) return "0 s";
  const [unit, size] = UNITS[at];
  const first = Math.floor(whole / size);
  const text = unit === "day" ? `${first} day${first === 1 ? "" : "s"}` : `${first} ${unit}`;
  const [smaller, part] = UNITS[at + 1] ?? ["", 1];
  const rest = Math.floor((whole - first * size) / part);
  return rest && smaller ? `${text} ${rest} ${smaller}` : text;
}
