/** Backups. Not an operation of RabbitMQ. */
import { type Endpoint, endpointWithBody, json } from '../endpoint.js';
import { backupBody } from '../schemas.js';

/** Operations on backups. */
export const backupEndpoints: readonly Endpoint[] = [
  endpointWithBody({
    method: 'POST',
    path: '/backups',
    tag: 'node',
    summary:
      'Make a backup in the folder that the node was given for that; answered when it is complete. Not an operation of RabbitMQ',
    needs: 'administrator',
    body: backupBody,
    statuses: [200],
    handle: async (call) => json(await call.ports.backup(call.body.name, call.actor)),
  }),
];
