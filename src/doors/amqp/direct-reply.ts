/**
 * RabbitMQ's direct reply-to: a consumer of the pseudo-queue `amq.rabbitmq.reply-to` gets replies without a queue. Its address carries the shard that
 * holds its connection and a secret, so that nobody can guess it.
 */
import type { Random } from '../../io/ports.js';

/** The queue name with which a client consumes its replies, and the reply-to with which it asks. */
export const REPLY_QUEUE = 'amq.rabbitmq.reply-to';
const ADDRESS_PREFIX = `${REPLY_QUEUE}.`;
const SECRET_BYTES = 16;

/** Takes a reply. The bytes are borrowed. */
export interface ReplyConsumer {
  reply(routingKey: string, properties: Uint8Array, body: Uint8Array): void;
}

/** Carries replies to other shards' doors, which take them by `AmqpDoor.deliverReply`. */
export interface DirectReplyPort {
  /** The bytes are borrowed. Best effort, like the feature itself: a reply whose shard cannot be reached is lost. */
  sendReply(shard: number, address: string, properties: Uint8Array, body: Uint8Array): void;
}

/** Whether a routing key or queue name looks like an address that `ReplyConsumers.add` gave. */
export function isReplyAddress(name: string): boolean {
  return name.length > ADDRESS_PREFIX.length && name.startsWith(ADDRESS_PREFIX);
}

/** The consumers of replies on one shard. */
export class ReplyConsumers {
  private readonly consumers = new Map<string, ReplyConsumer>();
  private readonly shard: number;
  private readonly random: Random;
  private readonly port: DirectReplyPort | undefined;

  constructor(shard: number, random: Random, port: DirectReplyPort | undefined) {
    this.shard = shard;
    this.random = random;
    this.port = port;
  }

  /** Gives the consumer an address. */
  add(consumer: ReplyConsumer): string {
    const secret = Buffer.from(this.random.bytes(SECRET_BYTES)).toString('base64url');
    const address = `${ADDRESS_PREFIX}${this.shard}.${secret}`;
    this.consumers.set(address, consumer);
    return address;
  }

  /** Forgets an address. */
  remove(address: string): void {
    this.consumers.delete(address);
  }

  /** Hands a reply to a consumer of this shard. Returns false when there is none. */
  deliver(address: string, properties: Uint8Array, body: Uint8Array): boolean {
    const consumer = this.consumers.get(address);
    consumer?.reply(address, properties, body);
    return consumer !== undefined;
  }

  /** Hands a reply to its consumer, wherever it is. Returns false when there is certainly none. */
  send(address: string, properties: Uint8Array, body: Uint8Array): boolean {
    const shard = this.remoteShard(address);
    if (shard === undefined) return this.deliver(address, properties, body);
    if (this.port === undefined) return false;
    this.port.sendReply(shard, address, properties, body);
    return true;
  }

  /** Whether there may be a consumer with this address: of other shards' ones nothing is known. */
  mayExist(address: string): boolean {
    if (this.remoteShard(address) === undefined) return this.consumers.has(address);
    return this.port !== undefined;
  }

  private remoteShard(address: string): number | undefined {
    const shard = Number.parseInt(address.slice(ADDRESS_PREFIX.length), 10);
    return Number.isNaN(shard) || shard === this.shard ? undefined : shard;
  }
}
