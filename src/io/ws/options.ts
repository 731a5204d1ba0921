import { WsServerError } from './errors.js';
import { MAX_IDLE_TIMEOUT_SECONDS, MAX_SIZE_BYTES, MIN_IDLE_TIMEOUT_SECONDS } from './limits.js';
import type { WsServerOptions } from './port.js';

/**
 * Refuses settings that an engine would not survive or would silently bend.
 * @throws {WsServerError} `invalid-options`, naming the setting and its value.
 */
export function checkOptions(options: WsServerOptions): void {
  requireInteger('port', options.port, 0, 65_535);
  requireInteger('maxMessageBytes', options.maxMessageBytes, 1, MAX_SIZE_BYTES);
  requireInteger('maxBackpressureBytes', options.maxBackpressureBytes, 1, MAX_SIZE_BYTES);
  requireInteger('maxHttpBodyBytes', options.maxHttpBodyBytes, 0, MAX_SIZE_BYTES);
  requireInteger('maxConnections', options.maxConnections, 1, MAX_SIZE_BYTES);
  if (options.idleTimeoutSeconds !== 0) {
    requireInteger(
      'idleTimeoutSeconds',
      options.idleTimeoutSeconds,
      MIN_IDLE_TIMEOUT_SECONDS,
      MAX_IDLE_TIMEOUT_SECONDS,
    );
  }
}

function requireInteger(name: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new WsServerError(
    'invalid-options',
    `Cannot start the HTTP and WebSocket server: ${name} must be a whole number from ${minimum} to ${maximum}, it is ${value}`,
  );
}
