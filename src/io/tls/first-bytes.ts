/** What the first bytes of a connection say about the protocol that its peer wants to speak. */

/** RFC 8446 §5.1: content type handshake. */
const HANDSHAKE = 0x16;
/** RFC 8446 §5.1: every version of TLS has this in the first byte of its record version. */
const MAJOR_VERSION = 3;

/** RFC 8446 §5.1: content type, version, length; and the longest record in clear. */
export const RECORD_HEADER_BYTES = 5;
export const MAX_RECORD_BYTES = 16_384;

/** The length that a record header says, without the header itself. */
export function recordBytes(header: Buffer): number {
  return header.readUInt16BE(3);
}

/**
 * A fatal alert `handshake_failure` (RFC 8446 §6) as every version of TLS understands it before keys are agreed on: 21 alert, version, length 2, level
 * fatal, description. Clients then say that the server refused TLS, rather than that it spoke nonsense.
 */
export const TLS_REFUSAL: Uint8Array = Uint8Array.of(0x15, MAJOR_VERSION, 1, 0, 2, 2, 40);

/** Whether a connection begins as TLS does. One byte is enough to tell it from what this node speaks in clear. */
export function isTlsBeginning(bytes: Uint8Array): boolean {
  return bytes[0] === HANDSHAKE && (bytes.length < 2 || bytes[1] === MAJOR_VERSION);
}

const HTTP_BEGINNING = /^[A-Z]{3,16} \S/;
const LONGEST_LOOK_BYTES = 32;

/** What a peer speaks that does not speak TLS, for the log. */
export function plainProtocol(bytes: Uint8Array): 'HTTP' | 'AMQP' | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LONGEST_LOOK_BYTES)).toString(
    'latin1',
  );
  if (HTTP_BEGINNING.test(text)) return 'HTTP';
  return text.startsWith('AMQP') ? 'AMQP' : undefined;
}

const SENTENCE = 'This port speaks TLS: use https:// or wss://\n';

/** Answers HTTP in clear on a port that speaks TLS. */
export const HTTP_ON_TLS_PORT = [
  'HTTP/1.1 400 Bad Request',
  'connection: close',
  'content-type: text/plain; charset=utf-8',
  `content-length: ${SENTENCE.length}`,
  '',
  SENTENCE,
].join('\r\n');
