// The newest images by stream, with their rate and latency.

const KEPT = 8;          // packets of a stream from which pausing chooses the ones of one frame
const POINTS = 60;       // images in a plot
const RATE_SPAN_MS = 3000;
const LONGEST_MS = 3.6e6; // a latency above it is the age of a recording's stamps

export class Images {
  #streams = new Map();

  // The state of a stream: {header, bitmap, arrived, points}; bitmap null before the first image.
  of(name) {
    if (!this.#streams.has(name)) {
      this.#streams.set(name, {header: null, bitmap: null, arrived: null, points: [], packets: []});
    }
    return this.#streams.get(name);
  }

  async take({header, payload}) {
    const state = this.of(header.stream), now = performance.now();
    state.packets.push({header, payload});
    if (state.packets.length > KEPT) state.packets.shift();
    state.points.push({at: now, number: header.number, latency: header.latency_ms});
    if (state.points.length > POINTS) state.points.shift();
    state.arrived = now;
    await this.#show(state, {header, payload});
  }

  // Show the image with the nearest stamp of each stream.
  async showFrame(stampNs) {
    const wanted = BigInt(stampNs);
    const far = packet => { const d = BigInt(packet.header.stamp_ns) - wanted; return d < 0n ? -d : d; };
    await Promise.all([...this.#streams.values()].filter(state => state.packets.length).map(state => {
      const nearest = state.packets.reduce((best, each) => far(each) < far(best) ? each : best);
      return this.#show(state, nearest);
    }));
  }

  async #show(state, {header, payload}) {
    state.bitmap = await createImageBitmap(new Blob([payload], {type: "image/jpeg"}));
    state.header = header;
  }
}

// Images a second, over the last seconds; null if unknown.
export function rate(points) {
  const last = points.at(-1);
  const first = points.find(point => last.at - point.at <= RATE_SPAN_MS);
  return first && last.at > first.at ? 1000 * (last.number - first.number) / (last.at - first.at) : null;
}

export const latency = point => Math.abs(point.latency) < LONGEST_MS ? point.latency : null;

// Lines of latency (blue) and rate (orange), each with a scale of its own from 0 to `scale(...)`.
export function plot(canvas, points) {
  const context = canvas.getContext("2d"), {width, height} = canvas;
  context.clearRect(0, 0, width, height);
  line(context, width, height, points.map(latency), "#6ab0ff");
  line(context, width, height, points.map((_, i) => i ? rate(points.slice(0, i + 1)) : null), "#f0a94f");
}

function line(context, width, height, values, color) {
  const known = values.filter(value => value !== null);
  if (known.length < 2) return;
  const top = 1.15 * Math.max(...known, 1e-9);
  context.beginPath();
  values.forEach((value, i) => {
    if (value !== null) {
      context.lineTo((i + POINTS - values.length) * width / (POINTS - 1),
                     height - 1 - (height - 2) * Math.max(value, 0) / top);
    }
  });
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.stroke();
}
