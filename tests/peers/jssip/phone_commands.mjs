// The phone itself, the same under Node and in a browser: JsSIP, with commands by name and events that are told.

import JsSIP from 'jssip';

// `ear` measures what is heard: `level(hz)` in dBFS over the last second, `forget()`; `voice()` is the stream that is
// spoken, `tone(hz)` its frequency where that can be changed.
export function makePhone({ url, uri, password, say, ear, voice, tone }) {
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
    fresh.on('peerconnection', ({ peerconnection }) => ear.listen?.(peerconnection));
    if (fresh.connection) ear.listen?.(fresh.connection);
    fresh.on('newInfo', event => event.originator === 'remote' && say('info', { body: event.request.body }));
  });

  const commands = {
    tone: ({ hz }) => tone(hz),
    call: async ({ target }) => { phone.call(target, { mediaStream: await voice(), pcConfig: { iceServers: [] } }); },
    answer: async () => session.answer({ mediaStream: await voice(), pcConfig: { iceServers: [] } }),
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
    keys: ({ digits }) => session.sendDTMF(digits, { transportType: 'RFC2833' }),
    heard: ({ hz }) => say('heard', { hz, level: ear.level(hz) }),
    forget: () => ear.forget(),
    stop: () => phone.stop(),
  };
  phone.start();
  return commands;
}
