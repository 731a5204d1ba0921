// What a web page does with Duolog. The client is the very bundle that the package offers to browsers. Tests call what is in `globalThis.duologPage`.
import { connect } from './duolog-client.js';

const shownLines = 14;
/** @type {import('../../../dist/client/index.js').Client} */
let client;
/** The states that the connection has been in. */
const states = [];
let confirmed = 0;
/** Texts of deliveries whose acknowledgement the node has confirmed. */
const acknowledged = [];

/** Adds a line to a list of the page, and takes the oldest away when there are many. */
function show(list, text) {
  const line = document.createElement('li');
  line.textContent = text;
  const parent = document.getElementById(list);
  parent.append(line);
  if (parent.children.length > shownLines) parent.firstElementChild.remove();
}

function showState() {
  document.getElementById('state').textContent = client.state;
  states.push(client.state);
}

const described = ({ partition, offset }, text) => `${partition}/${offset} ${text}`;
const seen = (message) => ({ partition: message.partition, offset: message.offset, text: message.text() });

/** Connects; an error is returned as its code and text, since a page's errors cannot be thrown at the test. */
async function open(url, options = {}) {
  try {
    const reconnect = { firstDelayMs: 20, maxDelayMs: 200 };
    client = await connect(url, { clientName: 'browser', reconnect, ...options });
  } catch (error) {
    return { code: error.code, message: error.message };
  }
  client.onState(showState);
  showState();
  return { code: 'connected', message: '' };
}

/** Publishes texts one turn after another, so that they travel in many batches; resolves with the receipts. */
async function publish(to, texts, { pauseMs = 0, ...message } = {}) {
  const receipts = [];
  for (const text of texts) {
    const receipt = client.publish(to, { ...message, value: text });
    receipts.push(receipt);
    receipt.then((place) => {
      confirmed += 1;
      show('published', described(place, text));
    });
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return Promise.all(receipts);
}

/** Takes `count` different messages from a queue and acknowledges each; returns everything that came, with what came again. */
async function consume(queue, count, { prefetch = 4 } = {}) {
  const subscription = await client.subscribe(queue, { prefetch });
  const taken = [];
  const different = new Set();
  for await (const delivery of subscription) {
    taken.push({ ...seen(delivery), redelivered: delivery.redelivered });
    different.add(delivery.text());
    show('consumed', `${described(delivery, delivery.text())}${delivery.redelivered ? ' again' : ''}`);
    try {
      await delivery.ackConfirmed();
      acknowledged.push(delivery.text());
    } catch (error) {
      // The connection broke: the message comes again.
      if (error.code !== 'stale-delivery' && error.code !== 'connection-lost') throw error;
    }
    if (different.size >= count) break;
  }
  return taken;
}

/** Takes whatever a queue pushes and keeps it; what has come is in `held`. */
const held = [];
let holding;
async function hold(queue, prefetch) {
  holding = await client.subscribe(queue, { prefetch });
  void (async () => {
    for await (const delivery of holding) held.push(delivery);
  })();
}

/** Settles one of those that are held: `ack`, or `nack` to give it back. */
function settleHeld(index, outcome) {
  return outcome === 'ack' ? held[index].ackConfirmed() : held[index].nackConfirmed();
}

/** Acknowledges all that are held; resolves when the node has made it durable. */
async function acknowledgeHeld() {
  await Promise.all(held.map((delivery) => delivery.ackConfirmed()));
}

/** Reads `count` records of a partition from an offset on. */
async function pull(topic, partition, offset, count) {
  const reader = client.reader(topic, { from: { offsets: [{ partition, offset }] }, partitions: [partition] });
  const records = [];
  for await (const record of reader) {
    records.push(seen(record));
    show('pulled', described(record, record.text()));
    if (records.length >= count) break;
  }
  return records;
}

/** Follows a topic live; resolves once the node has agreed. What comes is in `followed`. */
const followed = [];
async function follow(topic) {
  const broadcast = await client.broadcast(topic);
  void (async () => {
    for await (const item of broadcast) {
      followed.push(item.kind === 'missed' ? { missed: item.count } : seen(item));
      show('followed', item.kind === 'missed' ? `missed ${item.count}` : described(item, item.text()));
    }
  })();
}

/** As `open`, with a source of tokens that the test fills: an exception where it is empty. */
const tokens = [];
let tokensTaken = 0;
function openWithTokens(url, options = {}) {
  const token = async () => {
    const [next] = tokens.splice(0, 1);
    if (next === undefined) throw new Error('no token left');
    tokensTaken += 1;
    return next;
  };
  return open(url, { ...options, token });
}

/** Calls a method of the client; an error is returned as its code and text. */
async function attempt(method, ...words) {
  try {
    await client[method](...words);
    return { code: 'done', message: '' };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

globalThis.duologPage = {
  open,
  openWithTokens,
  giveToken: (token) => {
    tokens.push(token);
  },
  tokensTaken: () => tokensTaken,
  attempt,
  publish,
  consume,
  acknowledged: () => acknowledged,
  hold,
  held: () => held.map((delivery) => ({ ...seen(delivery), redelivered: delivery.redelivered })),
  settleHeld,
  acknowledgeHeld,
  release: () => holding.close(),
  pull,
  follow,
  declareQueue: (name) => client.declareQueue(name),
  declareTopic: (name, settings) => client.declareTopic(name, settings),
  followed: () => followed,
  confirmed: () => confirmed,
  states: () => states,
  describe: (name) => client.describe(name),
  close: () => client.close(),
};
