// The WebSocket to the viewer (see LiveSocket in server.py), opened again whenever it is lost.

const RETRY_MS = 1000;

export class Connection extends EventTarget {
  // Dispatches `packet` (detail: {header, payload}), `status`, `answer` and `change` (of `lostSince`).
  #socket = null;
  #watched = [];
  lostSince = performance.now(); // null while connected

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#socket = new WebSocket(`${scheme}://${location.host}/live`);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.lostSince = null;
      this.#send({watch: this.#watched});
      this.#tell("change");
    };
    this.#socket.onmessage = ({data}) => this.#receive(data);
    this.#socket.onclose = () => {
      this.lostSince ??= performance.now();
      this.#tell("change");
      setTimeout(() => this.open(), RETRY_MS);
    };
  }

  watch(streams) {
    if (streams.join() === this.#watched.join()) return;
    this.#watched = streams;
    this.#send({watch: streams});
  }

  shown(stream) { this.#send({shown: stream}); }

  set(name, value) { this.#send({set: name, value}); }

  #send(request) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(request));
  }

  #receive(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.status) this.#tell("status", message.status);
      else this.#tell("answer", message);
      return;
    }
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.#tell("packet", {header, payload: data.slice(4 + length)});
  }

  #tell(kind, detail) { this.dispatchEvent(new CustomEvent(kind, {detail})); }
}
