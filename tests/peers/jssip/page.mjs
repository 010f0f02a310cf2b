// The phone in a page of a browser: its real WebRTC, its capture device, its Opus.

import { makePhone } from './phone_commands.mjs';

const SECOND = 1; // of sound that is measured

// What comes by a connection, read frame by frame from its track: no sound card is needed.
class Ear {
  samples = new Float32Array(0);
  rate = 48000;
  kept = new Set(); // or the browser would collect what reads, and read no further

  listen(connection) {
    if (this.kept.has(connection)) return;
    this.kept.add(connection);
    connection.addEventListener('track', ({ track }) => this.read(track));
    connection.getReceivers().forEach(({ track }) => this.read(track));
  }

  async read(track) {
    if (track.kind !== 'audio' || this.kept.has(track)) return;
    this.kept.add(track);
    // Chromium decodes what comes only while something plays it.
    this.player = new Audio();
    this.player.srcObject = new MediaStream([track]);
    this.player.play().catch(() => {});
    const processor = new MediaStreamTrackProcessor({ track });
    this.kept.add(processor);
    const reader = processor.readable.getReader();
    this.kept.add(reader);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frame = new Float32Array(value.numberOfFrames);
      value.copyTo(frame, { planeIndex: 0, format: 'f32-planar' });
      this.rate = value.sampleRate;
      value.close();
      const kept = this.samples.subarray(Math.max(0, this.samples.length + frame.length - this.rate * SECOND));
      const joined = new Float32Array(kept.length + frame.length);
      joined.set(kept);
      joined.set(frame, kept.length);
      this.samples = joined;
    }
  }

  // As that of plain_media.mjs: the level of one frequency throughout the last second, in dBFS.
  level(hz) {
    if (this.samples.length < this.rate * SECOND * 0.98) return -100;
    let real = 0;
    let imaginary = 0;
    this.samples.forEach((sample, n) => {
      const angle = (2 * Math.PI * hz * n) / this.rate;
      real += sample * Math.cos(angle);
      imaginary += sample * Math.sin(angle);
    });
    const peak = (2 * Math.hypot(real, imaginary)) / this.samples.length;
    return peak > 1e-5 ? 20 * Math.log10(peak) : -100;
  }

  forget() { this.samples = new Float32Array(0); }
}

window.begin = parameters => {
  window.commands = makePhone({
    ...parameters,
    say: (type, more = {}) => window.tell(JSON.stringify({ type, ...more })),
    ear: new Ear(),
    voice: () => navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    }),
    tone: () => {},
  });
};
