// The microphone as WAV files: samples as the browser gives them, 16 bit, no codec between.
const WORKLET = "/page/worklet.js";

export class Recorder {
  // tick(seconds) is called as sound arrives.
  constructor(tick) {
    this.tick = tick;
    this.running = false;
    this.starting = false;
  }

  async start() {
    if (this.starting || this.running) return false;
    this.starting = true;
    try {
      await this.open();
      this.running = true;
    } finally {
      this.starting = false;
      if (!this.running) this.stream?.getTracks().forEach((track) => track.stop());
    }
    return true;
  }

  async open() {
    if (!navigator.mediaDevices) throw new Error("this browser gives no microphone to a page without https");
    const raw = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    this.stream = await navigator.mediaDevices.getUserMedia({audio: raw});
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(WORKLET);
    this.blocks = [];
    this.samples = 0;
    this.node = new AudioWorkletNode(this.context, "taker");
    this.node.port.onmessage = ({data}) => {
      this.blocks.push(data);
      this.samples += data.length;
      this.heardAt = performance.now();
      this.tick(this.seconds);
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
  }

  // Of the WAV file that the whole recording makes.
  get bytes() {
    return 44 + 2 * this.samples;
  }

  get seconds() {
    return this.samples / this.context.sampleRate;
  }

  // The last seconds that were heard; the recording goes on.
  last(seconds) {
    const wanted = Math.round(seconds * this.context.sampleRate);
    let first = this.blocks.length, found = 0;
    while (first > 0 && found < wanted) found += this.blocks[--first].length;
    return wav(this.blocks.slice(first), found, this.context.sampleRate);
  }

  // The whole recording, which ends.
  stop() {
    this.running = false;
    for (const track of this.stream.getTracks()) track.stop();
    const rate = this.context.sampleRate;
    this.context.close();
    return wav(this.blocks, this.samples, rate);
  }
}

function wav(blocks, samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const text = (offset, letters) => [...letters].forEach((letter, i) => view.setUint8(offset + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples, true);
  let offset = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(offset, Math.max(-1, Math.min(1, sample)) * 32767, true);
      offset += 2;
    }
  }
  return new Blob([view], {type: "audio/wav"});
}
