// The page: four panes, the buttons, and the watched streams.

import {Connection} from "./connection.js";
import {Images} from "./images.js";
import {NAMES, Pane} from "./pane.js";
import {Settings, showHealth, showStatus} from "./report.js";
import {saveClip, saveSnapshot} from "./save.js";
import {readValues} from "./values.js";

const AGE_MS = 500;            // between two checks of the images' ages
const VALUES_MS = 250;         // minimum time between the values of two frames
const VALUES_WANTED_MS = 10000; // after the pointer was over an image
const PAUSE_MS = 1500;         // longest wait for the values of the frame that is kept
const FIRST = ["rgb", "thermal", "fused", "overlay"];

const byId = id => document.getElementById(id);
const connection = new Connection();
const images = new Images();
const settings = new Settings((name, value) => connection.set(name, value));
let valuesUntil = 0; // values are watched until then

const page = {
  images, values: null, classes: [], openedAt: performance.now(),
  frozen: false, // paused
  streamOf: name => name === "thermal" ? byId("contrast").value : name,
  changed: () => { remember(); watch(); panes.forEach(pane => pane.draw()); },
  pointed: () => { valuesUntil = performance.now() + VALUES_WANTED_MS; watch(); },
};
let pausing = false; // the next frame with values is kept

const panes = restored().map(name => new Pane(name, page));
byId("panes").append(...panes.map(pane => pane.figure));

// Watch visible streams only, so that the node does not compute the others.
function watch() {
  const large = panes.find(pane => pane.isLarge), wanted = new Set();
  if (!page.frozen && !document.hidden) {
    (large ? [large] : panes).forEach(pane => pane.streams.forEach(name => wanted.add(name)));
    if (pausing || performance.now() < valuesUntil) wanted.add("values");
  }
  connection.watch([...wanted].sort());
}

connection.addEventListener("packet", async ({detail}) => {
  const {stream} = detail.header;
  if (stream === "values") {
    page.values = await readValues(detail);
    if (pausing) await freeze();
    setTimeout(() => connection.shown(stream), VALUES_MS);
  } else if (!page.frozen) {
    await images.take(detail);
    connection.shown(stream);
  }
  panes.filter(pane => stream === "values" || pane.streams.includes(stream)).forEach(pane => pane.draw());
});
connection.addEventListener("status", ({detail}) => {
  page.classes = detail.classes;
  showStatus(detail);
  settings.show(detail);
});
connection.addEventListener("answer", ({detail}) => settings.answer(detail));

setInterval(() => {
  panes.forEach(pane => pane.age());
  if (connection.lostSince !== null) {
    const seconds = Math.round((performance.now() - connection.lostSince) / 1000);
    if (seconds >= 1) showHealth({level: "STALE", text: `the viewer has not answered for ${seconds} s; trying again`});
  }
  watch();
}, AGE_MS);

async function freeze() {
  pausing = false;
  page.frozen = true;
  if (page.values) await images.showFrame(page.values.stampNs);
  page.changed();
}

function pause() {
  if (page.frozen || pausing) {
    pausing = page.frozen = false;
    page.openedAt = performance.now();
  } else {
    page.values = null;
    pausing = true;
    setTimeout(() => { if (pausing) freeze(); }, PAUSE_MS);
  }
  byId("pause").textContent = page.frozen || pausing ? "Resume" : "Pause";
  byId("pause").classList.toggle("on", page.frozen || pausing);
  watch();
}

function shownPanes() {
  const large = panes.find(pane => pane.isLarge);
  return large ? [large] : panes;
}

async function whileBusy(button, work) {
  byId("notice").hidden = true;
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    notice(error.message);
  } finally {
    button.disabled = false;
  }
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
}

byId("pause").onclick = pause;
byId("snapshot").onclick = ({currentTarget}) =>
  whileBusy(currentTarget, () => saveSnapshot(shownPanes(), page.classes));
byId("clip").onclick = ({currentTarget}) => whileBusy(currentTarget, async () => {
  const streams = [...new Set(shownPanes().flatMap(pane => pane.streams))];
  if (!await saveClip(streams)) notice("There are no images of the last 10 seconds to save.");
});
byId("contrast").onchange = () => page.changed();
document.addEventListener("visibilitychange", watch);
document.addEventListener("keydown", event => {
  if (event.target.matches("input, select")) return;
  if (event.key === "Escape") panes.filter(pane => pane.isLarge).forEach(pane => pane.enlarge(false));
  if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); pause(); }
  if (event.key === "s" && !event.ctrlKey && !event.metaKey) byId("snapshot").click();
});

// The browser keeps the choice of images.
function restored() {
  try {
    const kept = JSON.parse(localStorage.getItem("panes"));
    if (kept.length === FIRST.length && kept.every(name => name in NAMES)) return kept;
  } catch { /* nothing kept, or storage is off */ }
  return FIRST;
}

function remember() {
  try {
    localStorage.setItem("panes", JSON.stringify(panes.map(pane => pane.stream)));
  } catch { /* storage is off */ }
}

connection.open();
