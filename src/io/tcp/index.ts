/** Plain TCP: a listener that several threads may share, and its sockets. */
export type * from './port.js';
export { createTcpServer } from './server.js';
