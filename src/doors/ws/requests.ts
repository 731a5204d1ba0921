/** From the generated types to commands: one reader per kind of request, in the order of proto/client.proto. */
import { BrokerError } from '../../broker/errors.js';
import { DEFAULT_VHOST } from '../../broker/model.js';
import type { OutgoingMessage, TopicSettings } from '../../broker/ports.js';
import * as check from './checks.js';
import type * as commands from './commands.js';
import type { DeclareCommand } from './commands.js';
import type { RequestKind } from './envelope.js';
import { invalidRequest } from './errors.js';
import * as held from './held-requests.js';
import { checkContent, checkWeight } from './hot-frames.js';
import * as limits from './limits.js';
import { publishRouted } from './routed-frames.js';
import * as routing from './routing-requests.js';
import { queueModel } from './routing-requests.js';
import type { WireFrame, WireKind, WireMessage } from './wire-types.js';

function hello(request: WireKind<'hello'>): commands.HelloCommand {
  const received = request.received ?? [];
  check.checkCount('subscriptions', received.length, limits.MAX_PARTITIONS_PER_REQUEST);
  check.checkMost('The length of the session to resume', request.resumeSession?.length ?? 0, limits.MAX_PING_BYTES);
  return {
    kind: 'hello',
    version: request.version ?? 0,
    clientName: check.checkedLabel("The client's name", request.clientName),
    clientVersion: check.checkedLabel("The client's version", request.clientVersion),
    user: check.checkedLabel('The user', request.user),
    password: check.checkedLabel('The password', request.password),
    token: request.token ?? '',
    vhost: check.checkedVhost(request.vhost, DEFAULT_VHOST),
    resumeSession: request.resumeSession?.length ? request.resumeSession.slice() : undefined,
    resumeWindowMs: request.resumeWindowMs ?? 0,
    received: new Map(received.map(({ subscription, tag }) => [subscription ?? 0, tag ?? 0])),
  };
}

function outgoing(message: WireMessage, session: limits.RequestScope): OutgoingMessage {
  const headers = message.headers ?? [];
  check.checkCount('headers', headers.length, limits.MAX_HEADERS_PER_MESSAGE);
  const read: OutgoingMessage = {
    key: message.key ?? null,
    value: message.value ?? null,
    headers: headers.map((header) => [header.name ?? '', header.value ?? null]),
    timestampMs: message.timestampMs ?? 0,
  };
  checkWeight(read, session.maxMessageBytes);
  checkContent(read);
  return read;
}

function publish(request: WireKind<'publish'>, session: limits.RequestScope): commands.PublishCommand {
  const messages = request.messages ?? [];
  check.checkCount('messages', messages.length, limits.MAX_MESSAGES_PER_PUBLISH);
  const producer = request.producer;
  return {
    kind: 'publish',
    to: check.checkedName(request.to),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    partition: request.partition ?? undefined,
    messages: messages.map((message) => outgoing(message, session)),
    batch: request.batch?.length ? request.batch : undefined,
    level: check.durabilityLevel(request.durability),
    producer: producer
      ? check.checkedProducer({
          producerId: producer.producerId ?? 0,
          epoch: producer.epoch ?? 0,
          sequence: producer.sequence ?? 0,
        })
      : undefined,
  };
}

function subscribe(request: WireKind<'subscribe'>, session: limits.RequestScope): commands.Command {
  const subscription = check.checkedSubscription(request.subscription);
  const from = check.checkedName(request.from);
  const vhost = check.checkedVhost(request.vhost, session.vhost);
  const { queue, topic, broadcast } = request;
  if (queue) {
    return {
      kind: 'subscribe-queue',
      subscription,
      from,
      vhost,
      credit: check.checkMost('The credit', queue.credit ?? 0, session.maxCredit),
      automaticAck: queue.automaticAck ?? false,
      exclusive: queue.exclusive ?? false,
      priority: check.checkedPriority(queue.priority ?? 0),
    };
  }
  if (topic) {
    return {
      kind: 'subscribe-topic',
      subscription,
      from,
      vhost,
      credit: check.checkMost('The credit', topic.credit ?? 0, session.maxCredit),
      starts: check.positions(topic.starts),
      start: check.startPoint(topic.start, { at: 'end' as const }),
      group: check.checkedLabel('The name of the group', topic.group),
      decoded: topic.decoded ?? false,
    };
  }
  if (!broadcast) throw invalidRequest('The subscription has no mode: queue, topic or broadcast');
  if (check.startPoint(broadcast.start, { at: 'end' as const }).at !== 'end') {
    throw new BrokerError(
      'unsupported',
      'A broadcast subscription starts at the end; a topic subscription can start elsewhere',
    );
  }
  const slow = broadcast.slow ? 'close' : 'skip';
  return { kind: 'subscribe-broadcast', subscription, from, vhost, slow, decoded: broadcast.decoded ?? false };
}

function credit(request: WireKind<'credit'>, session: limits.RequestScope): commands.CreditCommand {
  const subscription = check.checkedSubscription(request.subscription);
  const isPrefetch = request.prefetch !== undefined && request.prefetch !== null;
  const count = isPrefetch ? request.prefetch : request.add;
  if (count === undefined || count === null) throw invalidRequest('The credit has no change: add or prefetch');
  check.checkMost('The credit', count, session.maxCredit);
  return { kind: 'credit', subscription, change: isPrefetch ? 'prefetch' : 'add', count };
}

function settle(request: WireKind<'settle'>): commands.SettleCommand {
  const tags = request.tags ?? [];
  check.checkCount('ranges of tags', tags.length, limits.MAX_TAG_RANGES);
  const ranges = tags.flatMap((range) => [range.first ?? 0, range.last ?? 0]);
  const upToTag = request.upToTag ?? 0;
  check.checkedRanges(ranges, upToTag);
  const subscription = check.checkedSubscription(request.subscription);
  return {
    kind: 'settle',
    subscription,
    outcome: check.checkedOutcome(request.outcome),
    ranges,
    upToTag,
    skipSettled: request.skipSettled ?? false,
  };
}

function seek(request: WireKind<'seek'>): commands.SeekCommand {
  const starts = check.positions(request.starts);
  const start = check.startPoint(request.start, undefined);
  if (starts.length === 0 && start === undefined) throw invalidRequest('The seek names no place to go to');
  return { kind: 'seek', subscription: check.checkedSubscription(request.subscription), starts, start };
}

function fetch(request: WireKind<'fetch'>, session: limits.RequestScope): commands.FetchCommand {
  const positions = check.positions(request.partitions);
  if (positions.length === 0) throw invalidRequest('The fetch names no partitions');
  const maxBytes = request.maxBytes || Math.min(limits.DEFAULT_FETCH_BYTES, session.maxFetchBytes);
  return {
    kind: 'fetch',
    from: check.checkedName(request.from),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    positions,
    maxBytes: check.checkMost('max_bytes', maxBytes, session.maxFetchBytes),
    maxWaitMs: check.checkMost('max_wait_ms', request.maxWaitMs ?? 0, limits.MAX_FETCH_WAIT_MS),
    minBytes: Math.min(request.minBytes ?? 0, maxBytes),
    decoded: request.decoded ?? false,
  };
}

function partitionList(partitions: readonly number[] | null | undefined): readonly number[] {
  check.checkCount('partitions', partitions?.length ?? 0, limits.MAX_PARTITIONS_PER_REQUEST);
  return partitions ?? [];
}

function listOffsets(request: WireKind<'listOffsets'>, session: limits.RequestScope): commands.ListOffsetsCommand {
  const at = check.startPoint(request.at, { at: 'end' as const });
  if (at.at === 'committed') throw invalidRequest('FetchOffsets tells what was committed, not ListOffsets');
  return {
    kind: 'list-offsets',
    from: check.checkedName(request.from),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    partitions: partitionList(request.partitions),
    at,
  };
}

function commitOffsets(
  request: WireKind<'commitOffsets'>,
  session: limits.RequestScope,
): commands.CommitOffsetsCommand {
  const offsets = request.offsets ?? [];
  check.checkCount('offsets', offsets.length, limits.MAX_PARTITIONS_PER_REQUEST);
  if (offsets.length === 0) throw invalidRequest('The commit names no offsets');
  return {
    kind: 'commit-offsets',
    group: check.checkedGroup(request.group),
    from: check.checkedName(request.from),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    offsets: offsets.map((item) => {
      check.checkMost('The length of the metadata', item.metadata?.length ?? 0, limits.MAX_METADATA_BYTES);
      return {
        partition: item.partition ?? 0,
        offset: item.offset ?? -1,
        metadata: item.metadata ?? '',
        committedMs: item.timestampMs ?? 0,
      };
    }),
  };
}

function fetchOffsets(request: WireKind<'fetchOffsets'>, session: limits.RequestScope): commands.FetchOffsetsCommand {
  return {
    kind: 'fetch-offsets',
    group: check.checkedGroup(request.group),
    from: check.checkedName(request.from),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    partitions: partitionList(request.partitions),
  };
}

/** A setting that may be -1 for "without limit", and is left out when absent. */
function limitSetting<Key extends keyof TopicSettings>(
  key: Key,
  value: number | null | undefined,
): Partial<TopicSettings> {
  if (value === null || value === undefined) return {};
  if (value < -1) throw invalidRequest(`The setting ${key} is ${value}: it must be -1, for none, or more`);
  return { [key]: value };
}

function declare(request: WireKind<'declare'>, session: limits.RequestScope): DeclareCommand {
  const { topic, queue } = request;
  const settings = topic ?? queue;
  if (!settings) throw invalidRequest('The declaration has no settings: topic or queue');
  const level = check.durabilityLevel(settings.durability);
  const start = check.startPoint(queue?.start, { at: 'end' as const });
  if (start.at === 'committed') throw invalidRequest('A queue cannot start where a group committed');
  const model = queue?.model ? queueModel(queue.model) : undefined;
  const declaration: DeclareCommand['declaration'] = {
    name: model !== undefined && !settings.name ? '' : check.checkedName(settings.name),
    vhost: check.checkedVhost(settings.vhost, session.vhost),
    partitions: check.checkMost('The number of partitions', settings.partitions ?? 0, limits.MAX_PARTITIONS_PER_TOPIC),
    settings: {
      kind: topic ? 'topic' : 'queue',
      ...(level === undefined ? {} : { durability: level }),
      ...limitSetting('segmentBytes', settings.segmentBytes || undefined),
      ...limitSetting('retentionMs', topic?.retentionMs),
      ...limitSetting('retentionBytes', topic?.retentionBytes),
      ...limitSetting('segmentMs', topic?.segmentMs),
      ...limitSetting('lingerMs', queue?.lingerMs),
    },
    passive: request.passive ?? false,
    start,
  };
  return { kind: 'declare', declaration, model };
}

function list(request: WireKind<'list'>, session: limits.RequestScope): commands.ListCommand {
  const only = request.kind === 1 ? 'topic' : request.kind === 2 ? 'queue' : undefined;
  const withState = request.withState ?? false;
  const most = withState ? limits.MAX_LISTING_ENTRIES_WITH_STATE : limits.MAX_LISTING_ENTRIES;
  return {
    kind: 'list',
    only,
    namePrefix: request.namePrefix ?? '',
    after: request.after ?? '',
    limit: Math.min(request.limit || most, most),
    withState,
    vhost: check.checkedVhost(request.vhost, session.vhost),
  };
}

function named<Kind extends 'describe' | 'purge'>(
  kind: Kind,
  request: { readonly name?: string | null; readonly vhost?: string | null },
  session: limits.RequestScope,
): commands.NameCommand {
  return { kind, name: check.checkedName(request.name), vhost: check.checkedVhost(request.vhost, session.vhost) };
}

function remove(request: WireKind<'delete'>, session: limits.RequestScope): commands.DeleteCommand {
  return {
    kind: 'delete',
    name: check.checkedName(request.name),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    ifUnused: request.ifUnused ?? false,
    ifEmpty: request.ifEmpty ?? false,
  };
}

function transact(request: WireKind<'transact'>, session: limits.RequestScope): commands.TransactCommand {
  const { publishes, settles } = request;
  check.checkCount('publishes', publishes?.length ?? 0, limits.MAX_TRANSACTION_PARTS);
  check.checkCount('settlements', settles?.length ?? 0, limits.MAX_TRANSACTION_PARTS);
  return {
    kind: 'transact',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    publishes: (publishes ?? []).map((publish) => publishRouted(publish, session)),
    settles: (settles ?? []).map(settle),
  };
}

function ping(request: WireKind<'ping'>): commands.PingCommand {
  const payload = request.payload ?? new Uint8Array(0);
  check.checkMost("The length of the ping's payload", payload.length, limits.MAX_PING_BYTES);
  return { kind: 'ping', payload };
}

type Readers = {
  readonly [Kind in RequestKind]: (request: WireKind<Kind>, session: limits.RequestScope) => commands.Command;
};

const readers: Readers = {
  hello,
  publish,
  subscribe,
  unsubscribe: (request) => ({ kind: 'unsubscribe', subscription: check.checkedSubscription(request.subscription) }),
  credit,
  settle,
  seek,
  fetch,
  listOffsets,
  commitOffsets,
  fetchOffsets,
  initProducer: (request) => ({ kind: 'init-producer', producerId: request.producerId ?? 0 }),
  declare,
  describe: (request, session) => named('describe', request, session),
  list,
  delete: remove,
  purge: (request, session) => named('purge', request, session),
  ping,
  status: () => ({ kind: 'status' }),
  publishRouted,
  declareExchange: routing.declareExchange,
  deleteExchange: routing.deleteExchange,
  bind: routing.bind,
  unbind: routing.unbind,
  listExchanges: routing.listExchanges,
  listBindings: routing.listBindings,
  explainRoute: routing.explainRoute,
  listUnacked: held.listUnacked,
  countDelayed: held.countDelayed,
  cancelDelayed: held.cancelDelayed,
  transact,
  renewToken: (request) => ({ kind: 'renew-token', token: request.token ?? '' }),
  get: routing.get,
};

/** Reads a request of kind `kind`. @throws BrokerError `invalid-request`, `too-large` or `unsupported` when it breaks a rule. */
export function readRequest<Kind extends RequestKind>(
  kind: Kind,
  request: WireKind<Kind>,
  session: limits.RequestScope,
): commands.Command {
  return readers[kind](request, session);
}

/** The one request that a text frame holds, or undefined when it holds none. @throws as `readRequest`. */
export function requestOf(frame: WireFrame, kind: RequestKind, session: limits.RequestScope): commands.Command {
  const request = frame[kind];
  if (!request) throw invalidRequest(`The frame's ${kind} is empty`);
  // The key and the value belong together; the compiler cannot follow that through a union of keys.
  return readRequest(kind, request as WireKind<typeof kind>, session);
}
