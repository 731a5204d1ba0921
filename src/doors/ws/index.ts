/** The native protocol's door: protobuf over WebSocket. See docs/protocols/native.md. */
export type { HelloCommand } from './commands.js';
export type { DoorPorts, NodeIdentity, NodeStatusAnswer } from './context.js';
export type { DoorCounters } from './counters.js';
export { closeCodes } from './errors.js';
export type { NativeSessionFacts } from './inspection.js';
export { type SessionLimits, sessionLimits } from './limits.js';
export { NATIVE_PATH, NATIVE_SUBPROTOCOL, NativeDoor, type NativeDoorOptions, serverLimits } from './listener.js';
