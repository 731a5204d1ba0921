/** What is said before a connection is open: who the node is, who the client is, and how large things may be. */
import { DecodeError } from '../../base/errors.js';
import { encodeUtf8, readUtf8 } from '../../base/utf8.js';
import type { Credentials } from '../../broker/access.js';
import { decodeTable, encodeTable, type FieldTable, type FieldValue, textOf } from '../../record/amqp/field-table.js';
import { AmqpError } from './errors.js';
import { type AmqpLimits, FRAME_MIN_BYTES } from './limits.js';
import { Method } from './methods.js';

/** `AMQP` 0 0-9-1: what a client begins with, and what a node answers to another beginning (§4.2.2). */
export const PROTOCOL_HEADER = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1);
/** The mechanisms that Start offers to everybody. */
const MECHANISMS = 'PLAIN AMQPLAIN';
/** The only locale. */
export const LOCALES = 'en_US';

/**
 * The version of RabbitMQ whose behaviour clients may expect: they parse major.minor from `version` and decide by it what they may use. The Java client
 * and Spring AMQP look for 3.x; 3.13 is the newest of these, and every extension that they look for is here.
 */
const COMPATIBLE_VERSION = '3.13.0';

const capabilities = [
  'publisher_confirms',
  'exchange_exchange_bindings',
  'basic.nack',
  'consumer_cancel_notify',
  'connection.blocked',
  'consumer_priorities',
  'authentication_failure_close',
  'per_consumer_qos',
  'direct_reply_to',
];

function longstr(text: string): FieldValue {
  return { type: 'longstr', value: encodeUtf8(text) };
}

/** The server properties of Start. `version` is COMPATIBLE_VERSION; the node's own is in `duolog_version`. */
export function serverProperties(node: { readonly name: string; readonly version: string }): Uint8Array {
  const flags = new Map<string, FieldValue>(capabilities.map((name) => [name, { type: 'boolean', value: true }]));
  return encodeTable(
    new Map<string, FieldValue>([
      ['capabilities', { type: 'table', value: flags }],
      ['cluster_name', longstr(node.name)],
      ['platform', longstr('Node.js')],
      ['product', longstr('Duolog')],
      ['version', longstr(COMPATIBLE_VERSION)],
      ['duolog_version', longstr(node.version)],
    ]),
  );
}

/** Whether the client says that it understands an extension. */
export function hasCapability(properties: FieldTable, name: string): boolean {
  const table = properties.get('capabilities');
  if (table?.type !== 'table') return false;
  const flag = table.value.get(name);
  return flag?.type === 'boolean' && flag.value;
}

/** The mechanisms that Start offers; EXTERNAL only to a peer with a certificate that stands for a user. */
export function mechanismsFor(certificate: string | undefined): string {
  return certificate === undefined ? MECHANISMS : `${MECHANISMS} EXTERNAL`;
}

/**
 * The credentials in a SASL response. `certificate`: the user that the peer's verified certificate stands for; EXTERNAL takes it, whatever the response
 * says (RFC 4422, appendix A, leaves naming another user to the server).
 * @throws AmqpError `command-invalid` for another mechanism, `syntax-error` for a malformed response.
 */
export function readCredentials(mechanism: string, response: Uint8Array, certificate?: string): Credentials {
  if (mechanism === 'PLAIN') return readPlain(response);
  if (mechanism === 'AMQPLAIN') return readAmqplain(response);
  if (mechanism === 'EXTERNAL' && certificate !== undefined) {
    return { mechanism, user: certificate, password: '', certificate };
  }
  throw new AmqpError('command-invalid', `unknown authentication mechanism '${mechanism}'`, Method.connectionStartOk);
}

/** RFC 4616: authorization identity, NUL, user, NUL, password. */
function readPlain(response: Uint8Array): Credentials {
  const parts = readUtf8(response, 0, response.length).split('\0');
  const [, user, password] = parts;
  if (parts.length !== 3 || user === undefined || password === undefined) throw badResponse('PLAIN');
  return { mechanism: 'PLAIN', user, password };
}

/** A table without its length, with the fields LOGIN and PASSWORD. */
function readAmqplain(response: Uint8Array): Credentials {
  try {
    const table = decodeTable(response);
    const user = textOf(table.get('LOGIN'));
    const password = textOf(table.get('PASSWORD'));
    if (user === undefined || password === undefined) throw badResponse('AMQPLAIN');
    return { mechanism: 'AMQPLAIN', user, password };
  } catch (thrown) {
    if (thrown instanceof DecodeError) throw badResponse('AMQPLAIN');
    throw thrown;
  }
}

function badResponse(mechanism: string): AmqpError {
  const text = `the ${mechanism} response does not hold a user and a password`;
  return new AmqpError('syntax-error', text, Method.connectionStartOk);
}

/** @throws AmqpError `not-allowed` when a value of tune-ok is beyond what Tune offered. */
export function checkTuning(frameMax: number, channelMax: number, limits: AmqpLimits): void {
  checkNegotiated('frame_max', frameMax, FRAME_MIN_BYTES, limits.frameMaxBytes);
  checkNegotiated('channel_max', channelMax, 1, limits.channelMax);
}

function checkNegotiated(field: string, value: number, least: number, most: number): void {
  if (value !== 0 && value < least) {
    const text = `negotiated ${field} = ${value} is lower than the minimum allowed value (${least})`;
    throw new AmqpError('not-allowed', text, Method.connectionTuneOk);
  }
  if (value !== 0 && value <= most) return;
  const detail = value === 0 ? ' (no limit)' : '';
  const text = `negotiated ${field} = ${value}${detail} is higher than the maximum allowed value (${most})`;
  throw new AmqpError('not-allowed', text, Method.connectionTuneOk);
}
