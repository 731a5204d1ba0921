import { assert } from '../../base/assert.js';
import { utf8Size } from '../../base/utf8.js';
import { MAX_CLOSE_REASON_BYTES } from './limits.js';
import type { UpgradeDecision, UpgradeRequest } from './port.js';

const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Why a request to a WebSocket path is no handshake that RFC 6455 §4.2.1 allows; undefined if it is one. */
export function handshakeFault(method: string, header: (name: string) => string): string | undefined {
  if (method !== 'GET') return `A WebSocket handshake must be a GET, not a ${method}`;
  if (header('upgrade').toLowerCase() !== 'websocket') return 'The Upgrade header must say websocket';
  if (!KEY.test(header('sec-websocket-key'))) return 'The Sec-WebSocket-Key header is missing or malformed';
  if (header('sec-websocket-version') !== '13') return 'The Sec-WebSocket-Version must be 13';
  return undefined;
}

/** The names in a `Sec-WebSocket-Protocol` header, in order. */
export function offeredSubprotocols(header: string): string[] {
  if (header === '') return [];
  return header
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** The subprotocol to answer with; empty for none. */
export function agreedSubprotocol(request: UpgradeRequest, decision: UpgradeDecision & { accept: true }): string {
  const chosen = decision.subprotocol ?? '';
  assert(
    chosen === '' || request.subprotocols.includes(chosen),
    `The subprotocol ${chosen} was not offered by the client`,
  );
  return chosen;
}

/** Whether an endpoint may send this close code (RFC 6455 §7.4, IANA registry). */
export function isSendableCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  );
}

/** A close reason cut to what a close frame can hold, never in the middle of a character. */
export function fittingReason(reason: string): string {
  if (utf8Size(reason) <= MAX_CLOSE_REASON_BYTES) return reason;
  let fitting = '';
  let sizeBytes = 0;
  for (const character of reason) {
    sizeBytes += utf8Size(character);
    if (sizeBytes > MAX_CLOSE_REASON_BYTES) break;
    fitting += character;
  }
  return fitting;
}
