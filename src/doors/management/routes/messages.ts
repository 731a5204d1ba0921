/** Publishing to an exchange, and getting from a queue: for people and tests, not for traffic. */
import { copyOf } from '../../../base/copy.js';
import type { BrokerError } from '../../../broker/errors.js';
import type { PollHandle, QueueConsumer, RecordView, TopicEntry } from '../../../broker/ports.js';
import { SettleOutcome } from '../../../broker/ports.js';
import { carbonCopies } from '../../../broker/routing/carbon-copies.js';
import { isStream } from '../../../broker/streams.js';
import { readEnvelope } from '../../../record/amqp/envelope.js';
import {
  deliveryModeOf,
  EMPTY_PROPERTIES,
  expirationMsOf,
  INVALID_EXPIRATION,
  userIdOf,
} from '../../../record/amqp/properties.js';
import { type Call, type Endpoint, endpointWithBody, json } from '../endpoint.js';
import { badRequest, ManagementError } from '../errors.js';
import type { JsonObject } from '../json.js';
import * as limits from '../limits.js';
import { propertiesFromJson, propertiesToJson } from '../message-properties.js';
import { requireAccess, requireShared, requireTopicAccess } from '../permissions.js';
import { getBody, publishBody } from '../schemas.js';
import { requireExchange } from './exchanges.js';
import { requireVhost } from './lists.js';
import { requireQueue } from './queues.js';

const PERSISTENT = 2;
const EMPTY = new Uint8Array(0);

function payloadOf(text: string, encoding: string): Uint8Array {
  if (encoding === 'string') return Buffer.from(text, 'utf8');
  if (encoding !== 'base64') return badRequest(`unsupported_encoding: ${encoding}`);
  // Buffer passes over what is not base64.
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) return badRequest('not_base64');
  return Buffer.from(text, 'base64');
}

function checkUser({ principal }: Call, userId: string | undefined): void {
  if (userId === undefined || userId === principal.user || principal.tags.includes('impersonator')) return;
  badRequest(
    `406 PRECONDITION_FAILED - user_id property set to '${userId}' but authenticated user was '${principal.user}'`,
  );
}

interface Publication {
  readonly vhost: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: Uint8Array;
  readonly body: Uint8Array;
}

/** Resolves with whether any queue wanted it, when all that did have it as safe as it asked for. */
export function publish(call: Call, { vhost, ...message }: Publication): Promise<boolean> {
  const { broker, timers } = call.ports;
  return new Promise((resolve, reject) => {
    let left = 0;
    let failure: BrokerError | undefined;
    const settle = (): void => {
      if (--left > 0) return;
      timers.clearTimeout(timer);
      if (failure === undefined) resolve(true);
      else if (failure.code === 'queue-full') reject(rejected());
      else reject(failure);
    };
    const timer = timers.setTimeout(
      () => reject(new ManagementError('unavailable', 'The message was not confirmed in time')),
      limits.MESSAGE_TIMEOUT_MS,
    );
    const listener = {
      published: settle,
      publishFailed: (_token: number, error: BrokerError) => {
        failure ??= error;
        settle();
      },
    };
    try {
      const persistent = deliveryModeOf(message.properties) === PERSISTENT;
      left = broker.publishRouted(vhost, { ...message, persistent }, 0, listener);
      if (left > 0) return;
      timers.clearTimeout(timer);
      resolve(false);
    } catch (thrown) {
      timers.clearTimeout(timer);
      reject(thrown);
    }
  });
}

function rejected(): ManagementError {
  return new ManagementError('bad-request', 'rejected Unable to publish message. Check queue limits.');
}

/** One message that came for a get. */
interface Gotten {
  readonly item: JsonObject;
  readonly partition: number;
  readonly offset: number;
  readonly bytes: number;
}

interface GetOptions {
  readonly queue: TopicEntry;
  readonly count: number;
  readonly automaticAck: boolean;
  readonly encoding: string;
  readonly truncate: number | undefined;
}

function payloadPart(body: Uint8Array, { encoding, truncate }: GetOptions): JsonObject {
  const shown = truncate === undefined ? body : body.subarray(0, truncate);
  if (encoding === 'auto') {
    try {
      const payload = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(shown);
      return { payload, payload_encoding: 'string' };
    } catch {
      // Bytes that are no text go as the others do.
    }
  }
  return { payload: Buffer.from(shown).toString('base64'), payload_encoding: 'base64' };
}

/** Takes messages one by one, until there are enough, or none is left. */
class Getter implements QueueConsumer {
  readonly gotten: Gotten[] = [];
  private readonly options: GetOptions;
  private readonly handle: PollHandle;
  private last: Gotten | undefined;
  private bytes = 0;

  constructor(call: Call, options: GetOptions) {
    this.options = options;
    this.handle = call.ports.broker.poll(options.queue, '', this);
  }

  deliver(partition: number, record: RecordView, redelivered: boolean): void {
    const envelope = readEnvelope(record.headers);
    const body = record.value ?? EMPTY;
    const properties = copyOf(envelope?.properties ?? EMPTY_PROPERTIES);
    const key = record.key === null ? this.options.queue.name : Buffer.from(record.key).toString('utf8');
    const item: JsonObject = {
      payload_bytes: body.length,
      redelivered,
      exchange: envelope?.exchange ?? '',
      routing_key: envelope?.routingKey ?? key,
      message_count: 0,
      properties: propertiesToJson(properties),
      ...payloadPart(body, this.options),
    };
    this.last = { item, partition, offset: record.offset, bytes: body.length };
  }

  flush(): void {
    // What came is looked at when the count is known.
  }

  closed(): void {
    // The get under way is answered with the error.
  }

  /** Resolves when there is no more to take. */
  async run(): Promise<void> {
    const { count } = this.options;
    while (this.gotten.length < count && this.bytes < limits.GET_BYTES_MAX) {
      const left = await this.one();
      const { last } = this;
      this.last = undefined;
      if (last === undefined) return;
      this.bytes += last.bytes;
      this.gotten.push({ ...last, item: { ...last.item, message_count: Math.max(0, left) } });
    }
  }

  private one(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.handle.get(this.options.automaticAck, (left, error) =>
        error === undefined ? resolve(left) : reject(error),
      );
    });
  }

  /** Gives all of them back, or drops them. */
  async settle(outcome: SettleOutcome): Promise<void> {
    const byPartition = new Map<number, number[]>();
    for (const { partition, offset } of this.gotten) {
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), offset]);
    }
    await Promise.all(
      [...byPartition].map(
        ([partition, offsets]) =>
          new Promise<void>((resolve, reject) => {
            this.handle.settle(partition, offsets, outcome, (error) =>
              error === undefined ? resolve() : reject(error),
            );
          }),
      ),
    );
  }

  cancel(): void {
    this.handle.cancel();
  }
}

/** How many, and what becomes of them: `ackmode`, or RabbitMQ 3.6's `requeue`. */
function settlementOf(ackmode: string | undefined, requeue: boolean | undefined): SettleOutcome | 'automatic' {
  switch (ackmode ?? (requeue === false ? 'ack_requeue_false' : requeue === true ? 'ack_requeue_true' : '')) {
    case 'ack_requeue_false':
      return 'automatic';
    case 'ack_requeue_true':
    case 'reject_requeue_true':
      return SettleOutcome.requeue;
    case 'reject_requeue_false':
      return SettleOutcome.discard;
    case '':
      return badRequest('[{key_missing,ackmode}]');
    default:
      return badRequest(
        `ackmode ${String(ackmode)} is none of ack_requeue_true, ack_requeue_false, reject_requeue_true and reject_requeue_false`,
      );
  }
}

/** Gets messages, and does with them what is wanted. */
export async function get(
  call: Call,
  options: GetOptions,
  outcome: SettleOutcome | 'automatic',
): Promise<JsonObject[]> {
  const getter = new Getter(call, options);
  try {
    await getter.run();
    if (outcome !== 'automatic') await getter.settle(outcome);
    return getter.gotten.map(({ item }) => item);
  } finally {
    getter.cancel();
  }
}

/** Operations on single messages. */
export const messageEndpoints: readonly Endpoint[] = [
  endpointWithBody({
    method: 'POST',
    path: '/exchanges/:vhost/:exchange/publish',
    tag: 'messages',
    summary: 'Publish a message; the answer says whether a queue has it',
    needs: 'vhost',
    body: publishBody,
    statuses: [200],
    handle: async (call) => {
      const { vhost, name: exchange, internal } = requireExchange(call);
      const { routing_key: routingKey, payload, payload_encoding: encoding } = call.body;
      requireAccess(call, vhost, 'write', 'exchange', exchange);
      if (internal) {
        const text = `ACCESS_REFUSED - cannot publish to internal exchange '${exchange}' in vhost '${vhost}'`;
        throw new ManagementError('not-authorised', text);
      }
      const properties = propertiesFromJson(call.body.properties);
      requireTopicAccess(call, vhost, 'write', exchange, [routingKey, ...(carbonCopies(properties) ?? [])]);
      checkUser(call, userIdOf(properties));
      if (expirationMsOf(properties) === INVALID_EXPIRATION) badRequest('406 PRECONDITION_FAILED - invalid expiration');
      const body = payloadOf(payload, encoding);
      return json({ routed: await publish(call, { vhost, exchange, routingKey, properties, body }) });
    },
  }),
  endpointWithBody({
    method: 'POST',
    path: '/queues/:vhost/:queue/get',
    tag: 'messages',
    summary: 'Get messages, and give them back or not',
    needs: 'vhost',
    body: getBody,
    statuses: [200],
    handle: async (call) => {
      const queue = requireQueue(call);
      const vhost = requireVhost(call);
      const { count, encoding, truncate, ackmode, requeue } = call.body;
      const outcome = settlementOf(ackmode, requeue);
      if (encoding !== 'auto' && encoding !== 'base64') badRequest('Unsupported encoding. Please use auto or base64.');
      if (count < 0 || count > limits.GET_MESSAGES_MAX)
        badRequest(`count must be from 0 to ${limits.GET_MESSAGES_MAX}`);
      if (truncate !== undefined && truncate < 0) badRequest('truncate must not be negative');
      requireAccess(call, vhost, 'read', 'queue', queue.name);
      requireShared(queue, vhost);
      if (isStream(queue.settings)) {
        badRequest(
          `540 NOT_IMPLEMENTED - basic.get not supported by stream queues queue '${queue.name}' in vhost '${vhost}'`,
        );
      }
      const options = { queue, count, automaticAck: outcome === 'automatic', encoding, truncate };
      return json(await get(call, options, outcome));
    },
  }),
];
