// Class, confidence, thermal value and object of the pixels of a frame (see ValueStream in streams.py).

const ARRAYS = {
  uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, int32: Int32Array,
  float32: Float32Array, float64: Float64Array,
};

export async function readValues({header, payload}) {
  const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  const planes = {};
  let offset = 0;
  for (const plane of header.planes) {
    const kind = ARRAYS[plane.type], length = plane.width * plane.height * kind.BYTES_PER_ELEMENT;
    planes[plane.name] = {...plane, data: new kind(bytes.slice(offset, offset + length))};
    offset += length;
  }
  return {stampNs: header.stamp_ns, planes, objects: header.objects};
}

// Values at (u, v), each 0 to 1, of an image: {class: 2, confidence: 0.9, thermal: 7312, x, y}.
// The thermal image is in the pixels of the others only if it has their size.
export function valuesAt({planes}, u, v, ofThermal) {
  const found = {}, size = ofThermal && planes.thermal ? planes.thermal : planes.class;
  const fits = plane => plane.width === size.width && plane.height === size.height;
  [found.x, found.y] = place(size, u, v);
  for (const plane of Object.values(planes).filter(fits)) {
    found[plane.name] = plane.data[found.y * plane.width + found.x];
  }
  if (found.confidence !== undefined) found.confidence /= 255;
  return found;
}

// The smallest object with the pixel (x, y) of the mask in its box; undefined if there is none.
export function objectAt({objects}, x, y) {
  const around = objects.filter(({box: [left, top, width, height]}) =>
    x >= left && x < left + width && y >= top && y < top + height);
  return around.sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3])[0];
}

function place({width, height}, u, v) {
  const within = (part, size) => Math.min(size - 1, Math.max(0, Math.floor(part * size)));
  return [within(u, width), within(v, height)];
}
