/** Peers that make the node keep things: bodies that are begun and not finished, deliveries and answers that are not read. */
import { encodeHeader } from '../../diff/wire/methods.js';
import { type Assault, type Campaign, Pace, pause, waitFor } from './assault.js';
import { type AmqpChannel, AmqpClient, FRAME, methodFrame, type Received } from './client.js';
import { Connection } from './connection.js';
import { residentBytes } from './meter.js';
import { SOUND_QUEUE } from './steps.js';
import { AmqpStream, frameBytes } from './stream.js';

const MIB = 1024 * 1024;

// ---- What is begun and not finished ----

const UNFINISHED = 40;
const UNFINISHED_BYTES = 15 * MIB;
const PIECE = frameBytes(FRAME.body, 1, Buffer.alloc(131_064));
/** Bytes a second that all of them send. */
const UNFINISHED_RATE = 50 * MIB;
const SETTLE_MS = 2_000;

async function beginBody(assault: Assault, index: number, pace: Pace): Promise<Connection> {
  const connection = await Connection.openRunning(assault.node, index % 4 === 3 ? 'ws' : 'tcp', assault.prng);
  assault.ledger.connections++;
  connection.stream.write(methodFrame(1, 'basic.publish', { routingKey: SOUND_QUEUE }));
  connection.stream.write(frameBytes(FRAME.header, 1, encodeHeader(UNFINISHED_BYTES + 1, {})));
  for (let sent = 0; sent + PIECE.length < UNFINISHED_BYTES && !connection.isDone; sent += PIECE.length) {
    await pace.pass();
    connection.stream.write(PIECE);
  }
  return connection;
}

async function unfinished(assault: Assault): Promise<void> {
  const { node, ledger, isBrief } = assault;
  const count = isBrief ? 2 : UNFINISHED;
  const pace = new Pace(isBrief ? 0 : UNFINISHED_RATE / PIECE.length);
  const before = residentBytes(node.pid);
  const connections = await Promise.all(Array.from({ length: count }, (_, index) => beginBody(assault, index, pace)));
  await pause(isBrief ? 0 : SETTLE_MS);
  const refused = connections.filter(({ closeCode }) => closeCode === 506).length;
  const heldMib = (residentBytes(node.pid) - before) / MIB;
  assault.tell(
    `${count} bodies of ${UNFINISHED_BYTES / MIB} MiB begun and none finished: ${refused} connections closed with 506, ` +
      `${heldMib.toFixed(0)} MiB more are resident`,
  );
  for (const connection of connections) {
    const { closeCode, closeText } = connection;
    if (closeCode !== undefined && closeCode !== 506)
      ledger.violation(undefined, `An unfinished body ended with ${closeCode} "${closeText}"`);
    ledger.note('unfinished body', closeCode === undefined ? 'held' : `closed ${closeCode}`);
    connection.stream.destroy();
  }
}

// ---- What is not read ----

const UNREAD_STREAM = 'fuzz.unread';
const MESSAGE_BYTES = 100_000;
const MESSAGES = 240;
const MESSAGES_PER_SECOND = 120;
/** Consumers that never read, half of them over WebSocket; and clients that ask and do not read the answers. */
const MUTE_CONSUMERS = 40;
const MUTE_ASKERS = 8;
/** The heartbeat that the askers negotiate and do not keep, in seconds; when they must be gone, and how soon they see it then, in milliseconds. */
const HEARTBEAT_S = 2;
const MUTE_MS = 9_000;
const GONE_MS = 1_000;
/** Each asks for a message of 100 KB and gives it back, so many times. */
const QUESTIONS = 400;
const READ_MS = 30_000;

async function fill(assault: Assault): Promise<AmqpClient> {
  const client = await AmqpClient.open(assault.node);
  const channel = await client.channel();
  const asStream = { 'x-queue-type': 'stream', 'x-max-length-bytes': 64 * MIB };
  await channel.call('queue.delete', { queue: UNREAD_STREAM });
  await channel.call('queue.declare', { queue: UNREAD_STREAM, durable: true, arguments: asStream });
  await channel.call('queue.declare', { queue: `${UNREAD_STREAM}.one`, durable: true });
  const pace = new Pace(assault.isBrief ? 0 : MESSAGES_PER_SECOND);
  const body = Buffer.alloc(MESSAGE_BYTES);
  channel.publish({ routingKey: `${UNREAD_STREAM}.one` }, {}, body);
  for (let index = 0; index < (assault.isBrief ? 20 : MESSAGES); index++) {
    await pace.pass();
    body.writeUInt32BE(index);
    channel.publish({ routingKey: UNREAD_STREAM }, {}, body);
  }
  // Answered when all of it has been taken.
  await channel.call('queue.declare', { queue: UNREAD_STREAM, passive: true });
  return client;
}

interface Mute {
  readonly stream: AmqpStream;
  readonly client: AmqpClient;
  readonly channel: AmqpChannel;
  received: number;
}

/** A consumer of the whole stream that stops to read once it has asked for it. */
async function muteConsumer(assault: Assault, index: number): Promise<Mute> {
  const stream = await AmqpStream.open(assault.node, index % 2 === 0 ? 'tcp' : 'ws');
  const client = await AmqpClient.over(stream);
  assault.ledger.connections++;
  const channel = await client.channel();
  const mute: Mute = { stream, client, channel, received: 0 };
  channel.onUnasked = ({ body }: Received) => {
    if (body.readUInt32BE() !== mute.received++)
      assault.ledger.violation(
        undefined,
        `Message ${mute.received - 1} of the stream was due, ${body.readUInt32BE()} came`,
      );
  };
  await channel.call('basic.qos', { prefetchCount: 65_535 });
  const fields = { queue: UNREAD_STREAM, consumerTag: 'mute', arguments: { 'x-stream-offset': 'first' } };
  channel.send('basic.consume', fields);
  // Nobody waits for consume-ok: it is the first of what is not read.
  channel.next().catch(() => {});
  stream.pause(true);
  return mute;
}

/** Asks and asks, and reads no answer. */
async function muteAsker(assault: Assault): Promise<Connection> {
  const connection = await Connection.openRunning(assault.node, 'tcp', assault.prng, HEARTBEAT_S);
  assault.ledger.connections++;
  connection.stream.pause(true);
  const question = Buffer.concat([
    methodFrame(1, 'basic.get', { queue: `${UNREAD_STREAM}.one` }),
    methodFrame(1, 'basic.nack', { deliveryTag: 0, multiple: true, requeue: true }),
  ]);
  for (let asked = 0; asked < QUESTIONS; asked++) connection.stream.write(question);
  return connection;
}

async function neverRead(assault: Assault): Promise<void> {
  const { node, ledger, isBrief } = assault;
  const filler = await fill(assault);
  const before = residentBytes(node.pid);
  const count = isBrief ? 4 : MUTE_CONSUMERS;
  const pace = new Pace(isBrief ? 0 : count / 2);
  const mutes: Mute[] = [];
  for (let index = 0; index < count; index++) {
    await pace.pass();
    mutes.push(await muteConsumer(assault, index));
    ledger.note('consumer that never reads', 'held');
  }
  await waitFor(assault.isOver, READ_MS);
  const each = (residentBytes(node.pid) - before) / count / MIB;
  assault.tell(
    `${count} consumers with ${(MESSAGES * MESSAGE_BYTES) / 1e6} MB to read that do not: ${each.toFixed(2)} MiB each`,
  );
  await readOn(assault, mutes.slice(-2));
  for (const { client } of mutes) client.destroy();
  if (!isBrief) await mutesAreCut(assault);
  await filler.close();
}

/** Whoever reads again gets everything, in order. */
async function readOn(assault: Assault, mutes: readonly Mute[]): Promise<void> {
  for (const { stream } of mutes) stream.pause(false);
  const messages = assault.isBrief ? 20 : MESSAGES;
  await waitFor(() => mutes.every(({ received }) => received === messages), READ_MS);
  for (const { received } of mutes) {
    if (received !== messages)
      assault.ledger.violation(undefined, `Of ${messages} messages ${received} came when the consumer read again`);
    assault.ledger.note('consumer that reads again', `${received} messages`);
  }
}

/** Whoever does not read answers, and sends no heartbeats, is cut. */
async function mutesAreCut(assault: Assault): Promise<void> {
  const { ledger } = assault;
  const askers = await Promise.all(Array.from({ length: MUTE_ASKERS }, () => muteAsker(assault)));
  await pause(MUTE_MS);
  // A socket that is not read does not show its end.
  for (const { stream } of askers) stream.pause(false);
  await waitFor(() => askers.every(({ stream }) => stream.isOver), GONE_MS);
  const left = askers.filter(({ stream }) => !stream.isOver).length;
  if (left > 0)
    ledger.violation(
      undefined,
      `${left} of ${MUTE_ASKERS} connections that read no answers and send no heartbeats stay`,
    );
  for (const { stream } of askers) {
    ledger.note('asker that never reads', stream.isOver ? 'cut' : 'still there');
    stream.destroy();
  }
}

/** See the top of this file. */
export const hoardCampaigns: readonly Campaign[] = [
  {
    name: 'unfinished-bodies',
    about: `${UNFINISHED} connections that begin a body of 15 MiB and do not end it, ${UNFINISHED_RATE / MIB} MiB a second: held, or 506`,
    growthMib: 350,
    run: unfinished,
  },
  {
    name: 'never-read',
    about:
      `${MUTE_CONSUMERS} consumers that never read, who get everything in order when they do; ` +
      `${MUTE_ASKERS} that ask and read no answers: cut for want of heartbeats`,
    growthMib: 250,
    run: neverRead,
  },
];
