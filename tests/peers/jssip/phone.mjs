// A SIP client over WebSocket, JsSIP under Node, driven line by line: JSON commands in, JSON events out.
//
//   node phone.mjs WSS-URL SIP-URI PASSWORD [CA-FILE]

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { makePhone } from './phone_commands.mjs';
import { PlainPeerConnection, RTCSessionDescription } from './plain_media.mjs';

const [url, uri, password, ca] = process.argv.slice(2);

globalThis.window = globalThis;
globalThis.RTCPeerConnection = PlainPeerConnection;
globalThis.RTCSessionDescription = RTCSessionDescription;
globalThis.WebSocket = class extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, ca ? { ca: readFileSync(ca) } : {});
  }
};

const silence = { getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] };
const say = (type, more = {}) => process.stdout.write(`${JSON.stringify({ type, ...more })}\n`);

const commands = makePhone({
  url,
  uri,
  password,
  say,
  ear: {
    level: hz => PlainPeerConnection.newest?.level(hz) ?? -100,
    forget: () => PlainPeerConnection.newest?.forget(),
  },
  voice: async () => silence,
  tone: hz => { PlainPeerConnection.toneHz = hz; },
});
commands.quit = () => { commands.stop(); setTimeout(() => process.exit(0), 200); };

createInterface({ input: process.stdin }).on('line', line => {
  const { command, ...parameters } = JSON.parse(line);
  new Promise(done => done(commands[command](parameters)))
    .catch(error => say('error', { command, text: String(error.message) }));
}).on('close', () => process.exit(0));

