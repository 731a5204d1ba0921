import type { PreparedFrame } from './port.js';

/** Longest header of an unmasked frame: 2 bytes and a 64-bit length (RFC 6455 §5.2). */
export const MAX_FRAME_HEADER_BYTES = 10;

const FINAL_TEXT = 0x81;
const FINAL_BINARY = 0x82;

/** Bytes of the header of an unmasked frame with `payloadBytes` of payload. */
export function frameHeaderBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : MAX_FRAME_HEADER_BYTES;
}

/** Writes the header of a final, unmasked frame at `at`; returns the position after it. RFC 6455 §5.2. */
export function writeFrameHeader(target: Uint8Array, at: number, payloadBytes: number, isText: boolean): number {
  target[at] = isText ? FINAL_TEXT : FINAL_BINARY;
  if (payloadBytes < 126) {
    target[at + 1] = payloadBytes;
    return at + 2;
  }
  if (payloadBytes < 65_536) {
    target[at + 1] = 126;
    target[at + 2] = payloadBytes >>> 8;
    target[at + 3] = payloadBytes & 0xff;
    return at + 4;
  }
  target[at + 1] = 127;
  // Sizes are bounded below 2^32, so the upper half of the 64-bit length is always zero.
  target.fill(0, at + 2, at + 6);
  target[at + 6] = payloadBytes >>> 24;
  target[at + 7] = (payloadBytes >>> 16) & 0xff;
  target[at + 8] = (payloadBytes >>> 8) & 0xff;
  target[at + 9] = payloadBytes & 0xff;
  return at + 10;
}

/** Frames a message once for `WsSocket.sendPrepared` on any number of sockets of either engine. Copies the payload. */
export function prepareFrame(payload: Uint8Array, isText = false): PreparedFrame {
  const wire = new Uint8Array(frameHeaderBytes(payload.length) + payload.length);
  const payloadAt = writeFrameHeader(wire, 0, payload.length, isText);
  wire.set(payload, payloadAt);
  return { payload: wire.subarray(payloadAt), isText, wire };
}
