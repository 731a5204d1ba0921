/** The encoded headers of the records that publishers make of their messages: most messages have the same ones as the last of their publisher. */
import { encodeHeaders, encodeHeadersInto } from '../batch-builder.js';
import { EnvelopeWriter, type MessageOrigin } from './envelope.js';
import { HeaderTemplate } from './header-template.js';
import { HEADER_BLOCK_SLOTS, KEPT_BLOCK_PROPERTIES_BYTES } from './limits.js';

interface Block {
  exchange: string;
  routingKey: string;
  /** Bytes of its own. */
  properties: Uint8Array;
  headers: Uint8Array;
}

/** What is stored of the properties that were published. */
export interface StoredProperties {
  readonly properties: Uint8Array;
  /** Routing keys that consumers do not see. */
  readonly blindKeys?: readonly string[];
}

/**
 * Remembers one block per hash; the newest wins, and is written over the one before where that has the same size: with keys that are always others nothing
 * is remembered in vain, and nothing is allocated. Memory: a block of small properties, and the two names, per slot.
 */
export class HeaderBlocks {
  private readonly writer = new EnvelopeWriter();
  private readonly slots = new Array<Block | undefined>(HEADER_BLOCK_SLOTS).fill(undefined);
  private readonly prepare: (properties: Uint8Array) => StoredProperties;
  /** What was encoded last and was not known; the template is made when it comes again. */
  private readonly last: { exchange: string; properties: Uint8Array; template: HeaderTemplate | undefined } = {
    exchange: '',
    properties: new Uint8Array(0),
    template: undefined,
  };

  constructor(prepare: (properties: Uint8Array) => StoredProperties) {
    this.prepare = prepare;
  }

  /** The headers that EnvelopeWriter gives, encoded with their count; not to be changed, and lent until the next call. @throws EncodeError `too-large`. */
  headersFor(exchange: string, routingKey: string, properties: Uint8Array): Uint8Array {
    if (properties.length > KEPT_BLOCK_PROPERTIES_BYTES) return this.encode(exchange, routingKey, properties);
    const slot = slotOf(routingKey, properties);
    const known = this.slots[slot];
    if (
      known !== undefined &&
      known.routingKey === routingKey &&
      known.exchange === exchange &&
      areSame(known.properties, properties)
    ) {
      return known.headers;
    }
    if (known === undefined) {
      const headers = this.encode(exchange, routingKey, properties);
      this.slots[slot] = { exchange, routingKey, properties: properties.slice(), headers };
      return headers;
    }
    // Before anything else is changed: it may throw.
    known.headers = this.encodeOver(known.headers, exchange, routingKey, properties);
    known.exchange = exchange;
    known.routingKey = routingKey;
    if (!areSame(known.properties, properties)) known.properties = properties.slice();
    return known.headers;
  }

  /** Who publishes with ever new keys mostly has the same exchange and properties as the last time. */
  private encodeOver(target: Uint8Array, exchange: string, routingKey: string, properties: Uint8Array): Uint8Array {
    const { last } = this;
    if (last.exchange === exchange && areSame(last.properties, properties)) {
      last.template ??= new HeaderTemplate(this.encode(exchange, '', properties));
      return last.template.fill(routingKey, target);
    }
    const stored = this.prepare(properties);
    const list = this.writer.headers(exchange, routingKey, stored.properties, undefined, stored.blindKeys);
    const headers = encodeHeadersInto(target, list);
    last.exchange = exchange;
    last.properties = properties.slice();
    last.template = undefined;
    return headers;
  }

  /** As headersFor, for a dead letter: nothing is remembered. */
  encode(exchange: string, routingKey: string, properties: Uint8Array, origin?: MessageOrigin): Uint8Array {
    const stored = this.prepare(properties);
    return encodeHeaders(this.writer.headers(exchange, routingKey, stored.properties, origin, stored.blindKeys));
  }
}

/** Publishers differ in their keys, mostly in the end of them, and in their properties. */
function slotOf(routingKey: string, properties: Uint8Array): number {
  const { length } = routingKey;
  let hash = length * 31 + properties.length;
  if (length > 0) hash = Math.imul(hash, 31) + routingKey.charCodeAt(length - 1);
  if (length > 1) hash = Math.imul(hash, 31) + routingKey.charCodeAt(length - 2);
  return (hash ^ (hash >>> 8)) & (HEADER_BLOCK_SLOTS - 1);
}

function areSame(left: Uint8Array, right: Uint8Array): boolean {
  const { length } = left;
  if (right.length !== length) return false;
  let index = 0;
  while (index < length && left[index] === right[index]) index++;
  return index === length;
}
