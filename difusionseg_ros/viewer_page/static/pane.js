// One image on the page: its stream and age, the values under the pointer, and, if it is enlarged, a
// line between two images that can be dragged.

import {clock, element, number, plainName, swatch} from "./elements.js";
import {latency, plot, rate} from "./images.js";
import {objectAt, valuesAt} from "./values.js";

export const NAMES = {
  rgb: "RGB", thermal: "Thermal", fused: "Fused", overlay: "Classes", color: "Colours only",
  confidence: "Confidence",
};
const OLD_MS = 3000;

export class Pane {
  stream; other = ""; pointer = null; // pointer: {u, v, x, y} over the image
  #wipe = 0.5; #wiping = false;

  constructor(stream, page) {
    this.page = page; // {images, streamOf(name), frozen, values, classes, changed(), pointed()}
    this.stream = stream;
    this.figure = document.getElementById("pane").content.firstElementChild.cloneNode(true);
    const find = selector => this.figure.querySelector(selector);
    this.canvas = find(".image");
    this.parts = {
      stream: find(".stream"), other: find(".other"), wipe: find(".wipe-part"), plot: find(".plot"),
      rate: find(".rate"), enlarge: find(".enlarge"), quiet: find(".quiet"), values: find(".values"),
      scale: find(".scale"),
    };
    for (const [name, text] of Object.entries(NAMES)) {
      this.parts.stream.add(new Option(text, name));
      this.parts.other.add(new Option(text, name));
    }
    this.parts.other.add(new Option("compare with …", ""), 0);
    this.parts.stream.value = stream;
    this.parts.other.value = "";
    this.parts.stream.onchange = () => { this.stream = this.parts.stream.value; page.changed(); };
    this.parts.other.onchange = () => { this.other = this.parts.other.value; page.changed(); };
    this.parts.enlarge.onclick = () => this.enlarge(!this.isLarge);
    this.canvas.onpointerdown = event => this.#press(event);
    this.canvas.onpointermove = event => this.#move(event);
    this.canvas.onpointerup = event => this.#lift(event);
    this.canvas.onpointerleave = event => { if (event.pointerType === "mouse") this.#point(null); };
  }

  get isLarge() { return this.figure.classList.contains("large"); }

  get shown() { return this.page.images.of(this.page.streamOf(this.stream)); }

  get compared() { return this.isLarge && this.other ? this.page.images.of(this.page.streamOf(this.other)) : null; }

  get streams() {
    return [this.stream, ...(this.isLarge && this.other ? [this.other] : [])].map(this.page.streamOf);
  }

  get title() { return this.compared ? `${NAMES[this.stream]} | ${NAMES[this.other]}` : NAMES[this.stream]; }

  enlarge(large) {
    this.figure.classList.toggle("large", large);
    this.parts.wipe.hidden = !large;
    this.parts.enlarge.textContent = large ? "✕ Close" : "⤢";
    document.body.style.overflow = large ? "hidden" : "";
    this.#point(null);
    this.page.changed();
    this.draw();
  }

  draw() {
    const {header, bitmap, points} = this.shown, second = this.compared;
    this.canvas.classList.toggle("wiping", Boolean(second));
    this.parts.scale.hidden = this.stream !== "confidence";
    if (bitmap) {
      if (this.canvas.width !== bitmap.width) this.canvas.width = bitmap.width;
      if (this.canvas.height !== bitmap.height) this.canvas.height = bitmap.height;
      const context = this.canvas.getContext("2d"), {width, height} = this.canvas;
      context.drawImage(bitmap, 0, 0);
      if (second?.bitmap) this.#drawSecond(context, second.bitmap, width, height);
      this.canvas.title = "";
      this.parts.rate.title = `${header.width}x${header.height} pixels, stamp ${clock(header.stamp_ns)}`;
      plot(this.parts.plot, points);
      const delay = latency(points.at(-1)); // null for the old stamps of a recording
      this.parts.rate.textContent =
        number(rate(points), " Hz") + (delay === null ? "" : ` · ${number(delay, " ms", 0)}`);
    }
    this.#drawValues();
    this.age();
  }

  // Dim the image and show for how long none has arrived.
  age() {
    const {arrived, bitmap} = this.shown, now = performance.now();
    const since = arrived ?? this.page.openedAt;
    const old = !this.page.frozen && now - since > OLD_MS;
    this.figure.classList.toggle("old", old && bitmap !== null);
    this.parts.quiet.hidden = bitmap !== null && !old;
    const seconds = Math.round((now - since) / 1000);
    this.parts.quiet.textContent = old ? `no image for ${seconds} s` : "waiting for the first image";
    if (old) this.parts.rate.textContent = "–";
  }

  #drawSecond(context, bitmap, width, height) {
    const x = Math.round(this.#wipe * width);
    context.save();
    context.beginPath();
    context.rect(x, 0, width - x, height);
    context.clip();
    context.drawImage(bitmap, 0, 0, width, height);
    context.restore();
    const unit = width / 640;
    context.fillStyle = "#fff";
    context.fillRect(x - unit, 0, 2 * unit, height);
    context.beginPath();
    context.arc(x, height / 2, 12 * unit, 0, 7);
    context.fill();
    context.fillStyle = "#000";
    context.font = `bold ${15 * unit}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText("⇔", x, height / 2);
  }

  #place(event) {
    // The image keeps its shape within the canvas's box (object-fit: contain).
    const box = this.canvas.getBoundingClientRect(), {width, height} = this.canvas;
    const scale = Math.min(box.width / width, box.height / height);
    const left = box.left + (box.width - scale * width) / 2;
    const top = box.top + (box.height - scale * height) / 2;
    return {
      u: (event.clientX - left) / (scale * width), v: (event.clientY - top) / (scale * height),
      x: event.clientX, y: event.clientY,
    };
  }

  #press(event) {
    if (this.compared) {
      this.#wiping = true;
      this.canvas.setPointerCapture(event.pointerId);
      this.#setWipe(event);
    } else if (event.pointerType !== "mouse") {
      this.#point(event);
    }
  }

  #move(event) {
    if (this.#wiping) this.#setWipe(event);
    this.#point(event);
  }

  #lift(event) {
    const wiped = this.#wiping;
    this.#wiping = false;
    if (!wiped && !this.isLarge && event.pointerType === "mouse") this.enlarge(true);
  }

  #setWipe(event) {
    this.#wipe = Math.min(1, Math.max(0, this.#place(event).u));
    this.draw();
  }

  #point(event) {
    this.pointer = event && this.#place(event);
    const within = part => part >= 0 && part <= 1;
    if (this.pointer && !(within(this.pointer.u) && within(this.pointer.v))) this.pointer = null;
    if (this.pointer) this.page.pointed(this);
    this.#drawValues();
  }

  #drawValues() {
    const box = this.parts.values, {pointer} = this;
    box.hidden = !pointer || !this.shown.bitmap;
    if (box.hidden) return;
    box.replaceChildren(...this.#lines());
    const view = this.canvas.parentElement.getBoundingClientRect();
    const x = pointer.x - view.left, y = pointer.y - view.top;
    box.style.left = `${x + 16 + box.offsetWidth > view.width ? Math.max(0, x - 16 - box.offsetWidth) : x + 16}px`;
    box.style.top = `${Math.max(0, Math.min(y + 12, view.height - box.offsetHeight - 4))}px`;
  }

  #lines() {
    const {values, classes} = this.page;
    if (!values) return [element("div", "waiting for the values of a frame …")];
    const found = valuesAt(values, this.pointer.u, this.pointer.v, this.stream === "thermal");
    const lines = [];
    const known = classes.find(each => each.id === found.class);
    if (found.class !== undefined) {
      const line = element("div", known ? swatch(known.color) : "");
      line.append(element("b", known ? plainName(known.name) : `class ${found.class}`));
      line.append(`, confidence ${Math.round(100 * found.confidence)} %`);
      lines.push(line);
    }
    const object = found.class === undefined ? undefined : objectAt(values, found.x, found.y);
    if (object) {
      const warm = object.mean === undefined ? "" :
        `, ${object.mean.toFixed(1)} °C (at most ${object.maximum.toFixed(1)} °C)`;
      const score = Math.round(100 * object.score);
      lines.push(element("div", `${plainName(object.class)} ${object.id}${warm}, score ${score} %`));
    }
    for (const plane of Object.values(values.planes)) {
      if (["class", "confidence"].includes(plane.name) || found[plane.name] === undefined) continue;
      if (Number.isNaN(found[plane.name])) continue;
      const digits = plane.type.startsWith("float") ? 2 : 0;
      lines.push(element("div", `${plane.name} ${found[plane.name].toFixed(digits)} ${plane.unit ?? ""}`));
    }
    lines.push(element("div", `x ${found.x}, y ${found.y}, frame of ${clock(values.stampNs)}`));
    return lines;
  }
}
