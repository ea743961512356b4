// The status as text: health at the top, classes, latency, frames, diagnostics and settings.

import {cell, element, number, plainName, row, swatch} from "./elements.js";

const OLD_S = 3;
const LONGEST_MS = 3.6e6; // a total above it is the age of a recording's stamps
const STAGES = {
  pairing: "pairing", waiting: "waiting for the network", conversion: "decoding",
  preprocess: "preprocessing", inference: "network", postprocess: "postprocessing",
  publish: "publishing", total: "stamp to publish",
};
const TOTALS = {
  paired: "pairs formed", processed: "frames processed", dropped_rgb: "RGB images without partner",
  dropped_thermal: "thermal images without partner", dropped_pairs: "pairs replaced by newer ones",
  bad_messages: "images refused",
};
const byId = id => document.getElementById(id);
const opened = new Set(); // diagnostics whose values are shown

export function showHealth({level, text}) {
  byId("health").className = level;
  byId("level").textContent = level;
  byId("health-text").textContent = text;
  document.title = `${level}: difusionseg viewer`;
}

export function showStatus(status) {
  showHealth(status.overall);
  const {frame} = status;
  byId("legend").replaceChildren(...status.classes.map(item => legendItem(item, frame)));
  byId("legend-section").hidden = !status.classes.length;
  byId("latency").replaceChildren(...(frame ? latencyRows(frame.latency_ms) : [row(cell("no frame yet"))]));
  byId("frame").replaceChildren(...(frame ? frameRows(frame) : [row(cell("no frame yet"))]));
  byId("diagnostics").replaceChildren(...status.diagnostics.map(diagnostic));
}

function legendItem(item, frame) {
  const made = element("li", swatch(item.color));
  made.append(plainName(item.name), " ");
  const share = frame?.class_shares[item.id];
  made.append(element("span", share === undefined || share === null ? "" : number(100 * share, " %"), "share"));
  return made;
}

function latencyRows(stages) {
  const shown = Object.entries(stages).filter(([, ms]) => ms !== null && ms < LONGEST_MS);
  const longest = Math.max(...shown.map(([, ms]) => ms), 1e-9);
  return shown.map(([stage, ms]) => {
    const meter = element("span", "", "meter");
    meter.style.width = `${100 * Math.max(ms, 0) / longest}%`;
    const bar = cell(meter);
    bar.style.width = "40%";
    return row(cell(STAGES[stage] ?? stage), bar, cell(number(ms, " ms"), "number"));
  });
}

function frameRows(frame) {
  const age = cell(`${number(frame.age)} s ago`, frame.age > OLD_S ? "number old-text" : "number");
  return [
    row(cell("last frame"), age),
    row(cell("cameras"), cell(frame.mode, "number")),
    row(cell("thermal image is later by"), cell(number(frame.time_offset_ms, " ms"), "number")),
    ...Object.entries(frame.totals).map(([name, total]) =>
      row(cell(TOTALS[name] ?? plainName(name)), cell(total.toLocaleString("en"), "number"))),
  ];
}

function diagnostic(status) {
  const details = element("details");
  details.open = opened.has(status.name);
  details.ontoggle = () => details.open ? opened.add(status.name) : opened.delete(status.name);
  const summary = element("summary", element("span", status.level, `badge ${status.level}`));
  summary.append(element("b", status.name.split(": ").pop()), ` ${status.message}`);
  const values = element("table");
  values.append(...Object.entries(status.values).map(([key, value]) => row(cell(key), cell(value))));
  details.append(summary, values);
  return details;
}

export class Settings {
  #made = new Map(); // by name: {input, output, refused}

  constructor(change) { this.change = change; } // change(name, value)

  show({settings, control}) {
    byId("settings-note").textContent = control ? ""
      : "shown only; start the viewer with -p control:=true to change them";
    if (!this.#made.size) settings.forEach(each => this.#make(each, control));
    for (const {name, value} of settings) {
      const {input, output} = this.#made.get(name);
      input.disabled = !control || value === null;
      if (input.matches(":active, :focus")) continue;
      if (value !== null) input.value = value;
      output.textContent = value === null ? "unknown" : shortNumber(value);
    }
  }

  answer({set, refused}) {
    const made = this.#made.get(set);
    if (made) made.refused.textContent = refused;
  }

  #make({name, label, description, minimum, maximum, step}, control) {
    const input = element("input"), output = element("output"), refused = element("span", "", "refused");
    Object.assign(input, {type: "range", min: minimum, max: maximum, step, id: `setting-${name}`});
    input.hidden = !control;
    input.oninput = () => { output.textContent = shortNumber(input.valueAsNumber); };
    input.onchange = () => { this.change(name, input.valueAsNumber); input.blur(); };
    const caption = element("label", label);
    caption.htmlFor = input.id;
    caption.title = description;
    const made = element("div", caption, "setting");
    made.append(output, input, refused);
    byId("settings").append(made);
    this.#made.set(name, {input, output, refused});
  }
}

const shortNumber = value => String(Math.round(1000 * value) / 1000);
