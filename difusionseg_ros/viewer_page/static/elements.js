// Small helpers for building the page.

export function element(tag, content = "", className = "") {
  const made = document.createElement(tag);
  made.append(content);
  made.className = className;
  return made;
}

export const cell = (content, className) => element("td", content, className);

export function row(...cells) {
  const made = element("tr");
  made.append(...cells);
  return made;
}

export const number = (value, unit = "", digits = 1) =>
  value === null || value === undefined ? "–" : value.toFixed(digits) + unit;

export function swatch(color) {
  const made = element("span", "", "swatch");
  made.style.background = `rgb(${color.join(" ")})`;
  return made;
}

export const plainName = name => name.replaceAll("_", " ");

// "14:03:07.2", local time, of a stamp in nanoseconds.
export function clock(stampNs) {
  const moment = new Date(Number(BigInt(stampNs) / 1000000n));
  const two = part => String(part).padStart(2, "0");
  return `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`
    + `.${Math.floor(moment.getMilliseconds() / 100)}`;
}
