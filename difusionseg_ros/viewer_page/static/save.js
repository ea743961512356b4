// Save the shown images: a snapshot as PNG, the last seconds as a video.

import {clock, plainName} from "./elements.js";

const TILE = 640, TITLE = 30, GAP = 6, LEGEND = 30; // pixels
const FONT = "16px system-ui, sans-serif";

export async function saveSnapshot(panes, classes) {
  const canvas = compose(panes, classes);
  const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
  download(blob, `difusionseg_${fileTime()}.png`);
}

// Resolves to false if nothing was watched.
export async function saveClip(streams) {
  const query = streams.map(name => `stream=${encodeURIComponent(name)}`).join("&");
  const answer = await fetch(`clip.mp4?${query}`);
  if (!answer.ok) throw new Error(`the viewer answered ${answer.status}`);
  if (answer.status === 204) return false;
  download(await answer.blob(), `difusionseg_${fileTime()}.mp4`);
  return true;
}

export function compose(panes, classes) {
  const shown = panes.filter(pane => pane.shown.bitmap);
  const columns = Math.min(2, shown.length) || 1;
  const heights = shown.map(pane => Math.round(TILE * pane.canvas.height / pane.canvas.width));
  const tile = Math.max(...heights, 1) + TITLE + GAP, rows = Math.ceil(shown.length / columns);
  const canvas = document.createElement("canvas");
  canvas.width = columns * TILE + (columns - 1) * GAP;
  const legend = legendLines(classes, canvas.width);
  canvas.height = Math.max(1, rows * tile + legend.length * LEGEND);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = FONT;
  shown.forEach((pane, i) => {
    const x = (i % columns) * (TILE + GAP), y = Math.floor(i / columns) * tile;
    context.fillStyle = "#111";
    context.fillText(`${pane.title}  ${clock(pane.shown.header.stamp_ns)}`, x + 6, y + 20);
    context.drawImage(pane.canvas, x, y + TITLE, TILE, heights[i]);
  });
  legend.forEach((line, i) => drawLegend(context, line, rows * tile + i * LEGEND));
  return canvas;
}

function legendLines(classes, width) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  const lines = [];
  let x = width;
  for (const {name, color} of classes) {
    const taken = 44 + context.measureText(plainName(name)).width;
    if (x + taken > width) { lines.push([]); x = 6; }
    lines.at(-1).push({name: plainName(name), color, x});
    x += taken;
  }
  return lines;
}

function drawLegend(context, line, y) {
  for (const {name, color, x} of line) {
    context.fillStyle = `rgb(${color.join(" ")})`;
    context.fillRect(x, y + 6, 16, 16);
    context.fillStyle = "#111";
    context.fillText(name, x + 22, y + 20);
  }
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function fileTime() {
  const two = part => String(part).padStart(2, "0"), now = new Date();
  return `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}_`
    + `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}
