// Consumers of a queue that hardly read: 500 sessions in a process of their own.
import { delivery, KIND, readDeliver } from '../harness/hot-frames.mjs';
import { serveRole } from '../harness/processes.mjs';
import { WireSession } from '../harness/wire-session.mjs';

const READ_BYTES = 64 * 1024;
/** @type {WireSession[]} */
let sessions = [];
let closed = 0;
let settled = 0;
let timer;

async function attach({ port, from, consumers, credit, automaticAck = false }) {
  for (let index = 0; index < consumers; index++) {
    const session = await WireSession.open(port, {
      readBytes: READ_BYTES,
      onClose: () => {
        closed++;
      },
    });
    session.hot.set(KIND.deliver, (bytes, at, to) => {
      readDeliver(bytes, at, to, () => {});
      if (!automaticAck) session.send({ settle: { subscription: 1, upToTag: delivery.tag } });
      settled++;
      session.connection.pause();
    });
    session.send({ id: 1000, subscribe: { subscription: 1, from, queue: { credit, automaticAck } } });
    sessions.push(session);
  }
}

/** From now on every session reads one delivery, acknowledges it and pauses again, `perSecond` times a second over all. */
function trickle({ perSecond }) {
  let next = 0;
  let due = 0;
  clearInterval(timer);
  timer = setInterval(() => {
    for (due += perSecond / 50; due >= 1; due--) sessions[next++ % sessions.length].connection.resume();
  }, 20);
}

function detach() {
  clearInterval(timer);
  for (const session of sessions) session.destroy();
  sessions = [];
}

const report = () => ({
  closed,
  settled,
  bytesRead: sessions.reduce((sum, { connection }) => sum + connection.bytesReceived, 0),
  ports: sessions.map(({ connection }) => connection.localPort),
});

serveRole({ attach, trickle, detach, report });
