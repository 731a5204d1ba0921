/** The management door: RabbitMQ's HTTP API. */
export { isManagementPath, ManagementDoor } from './handler.js';
export type * from './ports.js';
export type * from './statistics.js';
