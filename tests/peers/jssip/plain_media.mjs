// What JsSIP asks of a browser's RTCPeerConnection, over plain RTP: one G.711 u-law stream, a tone out, ears in.
// Media encryption is no part of it; the signalling is the browser's.

import dgram from 'node:dgram';
import { EventEmitter } from 'node:events';

const RATE = 8000;
const FRAME = 160; // 20 ms
const HEARD_FRAMES = 50; // one second is kept

export class RTCSessionDescription {
  constructor({ type, sdp }) {
    this.type = type;
    this.sdp = sdp;
  }
}

export class PlainPeerConnection {
  static toneHz = 440;
  static newest = null;

  constructor() {
    this.iceGatheringState = 'new';
    this.iceConnectionState = 'new';
    this.signalingState = 'stable';
    this.localDescription = null;
    this.events = new EventEmitter();
    this.heardFrames = [];
    this.remote = null;
    this.direction = 'sendrecv';
    this.sequence = 0;
    this.socket = dgram.createSocket('udp4');
    this.bound = new Promise(resolve => this.socket.bind(0, '127.0.0.1', resolve));
    this.socket.on('message', packet => this.hear(packet));
    this.socket.on('error', () => {});
    this.clock = null;
    this.version = 0;
    PlainPeerConnection.newest = this;
  }

  addEventListener(name, listener) { this.events.on(name, listener); }
  removeEventListener(name, listener) { this.events.off(name, listener); }
  addTrack() {}
  getSenders() { return []; }
  getReceivers() { return []; }

  async createOffer() { return this.describe('offer', this.direction); }

  async createAnswer() {
    const theirs = /a=(sendrecv|sendonly|recvonly|inactive)/.exec(this.remote?.sdp ?? '')?.[1] ?? 'sendrecv';
    const mirrored = { sendonly: 'recvonly', recvonly: 'sendonly' }[theirs] ?? theirs;
    return this.describe('answer', mirrored);
  }

  async describe(type, direction) {
    await this.bound;
    this.version += 1;
    const sdp = [
      'v=0', `o=- 1 ${this.version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
      `m=audio ${this.socket.address().port} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000', 'a=ptime:20', `a=${direction}`, '',
    ].join('\r\n');
    return new RTCSessionDescription({ type, sdp });
  }

  async setLocalDescription(description) {
    this.localDescription = description;
    this.iceGatheringState = 'complete';
  }

  async setRemoteDescription(description) {
    const address = /^c=IN IP4 (\S+)/m.exec(description.sdp)?.[1];
    const port = Number(/^m=audio (\d+)/m.exec(description.sdp)?.[1] ?? 0);
    if (!address || !/^m=audio \d+ RTP\/AVP\b.*\b0\b/m.test(description.sdp)) {
      throw new Error('no plain G.711 stream is offered');
    }
    const quiet = /a=(recvonly|inactive)/.test(description.sdp) && description.type === 'answer';
    this.remote = { sdp: description.sdp, address, port: quiet ? 0 : port };
    this.clock ??= setInterval(() => this.speak(), 20);
  }

  speak() {
    if (!this.remote?.port) return;
    const packet = Buffer.alloc(12 + FRAME);
    packet.writeUInt8(0x80, 0);
    packet.writeUInt8(0, 1);
    packet.writeUInt16BE(this.sequence & 0xffff, 2);
    packet.writeUInt32BE((this.sequence * FRAME) >>> 0, 4);
    packet.writeUInt32BE(0x4a735350, 8);
    for (let n = 0; n < FRAME; n += 1) {
      const at = this.sequence * FRAME + n;
      packet[12 + n] = encode(0.3 * Math.sin((2 * Math.PI * PlainPeerConnection.toneHz * at) / RATE));
    }
    this.sequence += 1;
    this.socket.send(packet, this.remote.port, this.remote.address);
  }

  hear(packet) {
    if (packet.length !== 12 + FRAME || (packet[1] & 0x7f) !== 0) return;
    this.heardFrames.push(packet.subarray(12));
    if (this.heardFrames.length > HEARD_FRAMES) this.heardFrames.shift();
  }

  // The level of one frequency in the last second, in dBFS; -100 when less than a second was heard.
  level(hz) {
    if (this.heardFrames.length < HEARD_FRAMES) return -100;
    let real = 0;
    let imaginary = 0;
    this.heardFrames.forEach((frame, number) => frame.forEach((byte, n) => {
      const angle = (2 * Math.PI * hz * (number * FRAME + n)) / RATE;
      real += decode(byte) * Math.cos(angle);
      imaginary += decode(byte) * Math.sin(angle);
    }));
    const peak = (2 * Math.hypot(real, imaginary)) / (HEARD_FRAMES * FRAME);
    return peak > 1e-5 ? 20 * Math.log10(peak) : -100;
  }

  forget() { this.heardFrames = []; }

  close() {
    clearInterval(this.clock);
    this.socket.close();
    this.iceConnectionState = 'closed';
    this.signalingState = 'closed';
  }
}

// ITU-T G.711 u-law with samples in -1..1.
function encode(value) {
  const sample = Math.min(32635, Math.round(Math.abs(value) * 32767)) + 132;
  const exponent = Math.floor(Math.log2(sample)) - 7;
  const mantissa = (sample >> (exponent + 3)) & 0x0f;
  return ~((value < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

function decode(byte) {
  const code = ~byte & 0xff;
  const magnitude = ((((code & 0x0f) << 3) + 132) << ((code >> 4) & 7)) - 132;
  return (code & 0x80 ? -magnitude : magnitude) / 32768;
}
