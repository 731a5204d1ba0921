/** The management door: RabbitMQ's HTTP API. */
export { ManagementDoor } from './handler.js';
export { isManagementPath } from './paths.js';
export type * from './ports.js';
export type * from './statistics.js';
