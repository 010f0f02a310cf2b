// A SIP client over WebSocket, JsSIP under Node, driven line by line: JSON commands in, JSON events out.
//
//   node phone.mjs WSS-URL SIP-URI PASSWORD [CA-FILE]

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import JsSIP from 'jssip';
import WebSocket from 'ws';
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

const phone = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri,
  password,
  register_expires: 300,
  session_timers: false,
});
let session = null;

phone.on('connected', () => say('connected'));
phone.on('disconnected', event => say('disconnected', { reason: event.reason ?? '' }));
phone.on('registered', () => say('registered'));
phone.on('unregistered', () => say('unregistered'));
phone.on('registrationFailed', event => say('registration_failed', { status: event.response?.status_code ?? 0 }));
phone.on('newMessage', ({ originator, request, message }) => {
  if (originator !== 'remote') return;
  say('message', { from: request.from.uri.user, text: request.body });
  message.accept?.();
});
phone.on('newRTCSession', ({ originator, session: fresh, request }) => {
  session = fresh;
  if (originator === 'remote') say('incoming', { from: request.from.uri.user });
  fresh.on('progress', event => say('progress', { status: event.response?.status_code ?? 0 }));
  fresh.on('confirmed', () => say('confirmed'));
  fresh.on('failed', event => say('failed', { cause: event.cause, status: event.message?.status_code ?? 0 }));
  fresh.on('ended', event => say('ended', { by: event.originator, cause: event.cause }));
  fresh.on('newInfo', event => event.originator === 'remote' && say('info', { body: event.request.body }));
});

const commands = {
  tone: ({ hz }) => { PlainPeerConnection.toneHz = hz; },
  call: ({ target }) => { phone.call(target, { mediaStream: silence }); },
  answer: () => session.answer({ mediaStream: silence }),
  hangup: () => session.terminate(),
  // Told once the other side has agreed: JsSIP ignores what is asked before.
  hold: () => session.hold({}, () => say('held')),
  unhold: () => session.unhold({}, () => say('resumed')),
  send: ({ target, text }) => phone.sendMessage(target, text, {
    eventHandlers: {
      succeeded: event => say('delivered', { status: event.response.status_code }),
      failed: event => say('undelivered', { status: event.response?.status_code ?? 0, cause: event.cause }),
    },
  }),
  heard: ({ hz }) => say('heard', { hz, level: PlainPeerConnection.newest?.level(hz) ?? -100 }),
  forget: () => PlainPeerConnection.newest?.forget(),
  quit: () => { phone.stop(); setTimeout(() => process.exit(0), 200); },
};

createInterface({ input: process.stdin }).on('line', line => {
  const { command, ...parameters } = JSON.parse(line);
  try {
    commands[command](parameters);
  } catch (error) {
    say('error', { command, text: String(error.message) });
  }
}).on('close', () => process.exit(0));

phone.start();
