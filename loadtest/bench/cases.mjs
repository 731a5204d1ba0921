// The cases of the benchmark: what each publishes or reads, and which limit of the machine it is measured against.

/** Levels of durability as the protocol numbers them, with the table that a case belongs to. */
export const LEVELS = { memory: 1, disk: 2 };

const SIZES = [100, 1024];
/** Bytes of publishes under way on one connection; the protocol allows 8 MiB. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const MAX_WINDOW = 4096;

/** Publishes under way on each connection. Many connections share what one would have. */
function windowOf(valueBytes, count, connections, partitions) {
  const window = Math.min(MAX_WINDOW, Math.floor(WINDOW_BYTES / connections / (count * (valueBytes + 60))));
  return Math.max(partitions, window - (window % partitions));
}

function* publishCases() {
  for (const level of Object.keys(LEVELS))
    for (const shards of [1, 2])
      for (const partitions of [1, 16])
        for (const count of [1, 100])
          for (const valueBytes of SIZES) {
            const connections = partitions === 1 ? 1 : 4;
            const form = count === 1 ? 'messages' : 'batch';
            const window = windowOf(valueBytes, count, connections, partitions);
            yield { group: 'publish', level, shards, partitions, count, valueBytes, connections, form, window };
          }
}

function* singleCases() {
  for (const level of Object.keys(LEVELS))
    yield {
      group: 'one at a time',
      level,
      shards: 1,
      partitions: 1,
      count: 1,
      valueBytes: 100,
      connections: 1,
      form: 'messages',
      window: 1,
    };
}

function* pullCases() {
  for (const shards of [1, 2])
    for (const valueBytes of SIZES) {
      yield { group: 'pull', shards, partitions: 1, valueBytes, connections: 1, load: 'pull' };
      yield { group: 'pull', shards, partitions: 16, valueBytes, connections: 4, load: 'pull' };
      yield { group: 'follow', shards, partitions: 1, valueBytes, connections: 1, load: 'stream' };
    }
}

function* pushCases() {
  for (const level of Object.keys(LEVELS))
    for (const shards of [1, 2])
      for (const valueBytes of SIZES) {
        yield { group: 'push', level, shards, partitions: 1, valueBytes, connections: 1 };
        yield { group: 'push', level, shards, partitions: 16, valueBytes, connections: 4 };
      }
}

/** The same through `duolog/client`: what its users get. */
function* clientCases() {
  for (const level of Object.keys(LEVELS))
    for (const valueBytes of SIZES) {
      yield { group: 'client', level, shards: 2, partitions: 1, valueBytes, load: 'clientPublish' };
      yield { group: 'client', level, shards: 2, partitions: 1, valueBytes, load: 'clientPush' };
    }
  for (const valueBytes of SIZES) yield { group: 'client', shards: 2, partitions: 1, valueBytes, load: 'clientPull' };
}

function* broadcastCases() {
  for (const shards of [1, 2])
    for (const valueBytes of [128, 1024])
      yield { group: 'broadcast', shards, partitions: 1, valueBytes, connections: 1000, perSecond: 50 };
}

function* rateCases() {
  for (const level of Object.keys(LEVELS))
    for (const shards of [1, 2])
      for (const valueBytes of SIZES)
        yield { group: 'end to end', level, shards, partitions: 1, count: 1, valueBytes, perSecond: 10_000 };
}

/** In quick runs: what the aims speak of, and a bit. */
const isForQuick = ({ group, level, shards, partitions, valueBytes, count }) => {
  if (group === 'publish') return shards === 2 && (partitions === 1 || (count === 100 && valueBytes === 1024));
  if (group === 'broadcast') return shards === 2 && valueBytes === 128;
  if (group === 'pull') return shards === 2 && partitions === 1;
  if (group === 'follow') return shards === 2 && valueBytes === 1024;
  if (group === 'one at a time') return true;
  if (group === 'client') return valueBytes === 100 && level !== 'memory';
  return shards === 2 && valueBytes === 100 && partitions === 1;
};

/** All cases, or those of a quick run, or those whose group is in `only`; grouped by number of shards so that nodes are started seldom. */
export function selectCases({ isQuick, only }) {
  const all = [
    ...publishCases(),
    ...singleCases(),
    ...pullCases(),
    ...pushCases(),
    ...clientCases(),
    ...broadcastCases(),
    ...rateCases(),
  ];
  return all
    .filter((one) => (isQuick ? isForQuick(one) : true) && (only.length === 0 || only.includes(one.group)))
    .sort((a, b) => a.shards - b.shards);
}

/** Names for `--only`. */
export const GROUPS = ['publish', 'one at a time', 'pull', 'follow', 'push', 'client', 'broadcast', 'end to end'];

const CLIENT_WORDS = { clientPublish: 'publish', clientPush: 'push with ack of each,', clientPull: 'read by offset' };

/** What a case is called in tables. */
export function nameOf({ group, valueBytes, count, partitions, shards, connections, load, perSecond }) {
  const size = valueBytes < 1024 ? `${valueBytes} B` : `${valueBytes / 1024} KiB`;
  const where = `${partitions} ${partitions === 1 ? 'partition' : 'partitions'}, ${shards} ${shards === 1 ? 'shard' : 'shards'}`;
  if (group === 'publish') return `publish ${size}, ${count === 1 ? 'single' : `batches of ${count}`}, ${where}`;
  if (group === 'one at a time') return `publish ${size}, each after the confirm of the last, ${where}`;
  if (group === 'client') return `duolog/client: ${CLIENT_WORDS[load]} ${size}, ${where}`;
  if (load === 'pull') return `pull ${size}, ${connections} ${connections === 1 ? 'reader' : 'readers'}, ${where}`;
  if (group === 'follow') return `follow a topic ${size}, ${where}`;
  if (group === 'push')
    return `push ${size}, ${connections} ${connections === 1 ? 'consumer' : 'consumers'}, manual ack, ${where}`;
  if (group === 'broadcast')
    return `broadcast ${size} to 1,000, ${perSecond} a second, ${shards} ${shards === 1 ? 'shard' : 'shards'}`;
  return `end to end ${size} at ${perSecond.toLocaleString('en-US')}/s, ${shards} ${shards === 1 ? 'shard' : 'shards'}`;
}
