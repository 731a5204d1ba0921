import { exportedPassword, importedPassword } from '../../broker/access/passwords.js';
import type { Catalog } from '../../broker/catalog.js';
import { BrokerError } from '../../broker/errors.js';
import { INTERNAL_VHOST } from '../../broker/model.js';
import type { ManagementDoor, ManagementPorts, StatisticsAnswer } from '../../doors/management/index.js';
import type { JsonObject } from '../../doors/management/json.js';
import type { HttpHandler, HttpRequest } from '../../io/ws/port.js';
import type { ControlRequests } from '../control-requests.js';

/** What a shard gives its management door. */
export type ShardPorts = Pick<ManagementPorts, 'broker' | 'access' | 'node' | 'timers' | 'settings'> & {
  readonly catalog: Catalog;
  readonly control: ControlRequests;
};

/** Connects the door to the shard's copy of the metadata, and to the control thread. */
function portsOf({ catalog, control, ...rest }: ShardPorts): ManagementPorts {
  return {
    ...rest,
    view: catalog.access,
    vhosts: () => [...catalog.vhostNames()].filter((name) => name !== INTERNAL_VHOST),
    passwords: {
      exported: exportedPassword,
      imported: (hash, algorithm) => {
        const change = importedPassword(hash, algorithm);
        if (change !== undefined) return change;
        throw new BrokerError('invalid-request', `Unsupported password hash or hashing algorithm ${algorithm ?? ''}`);
      },
    },
    administer: (requests, actor) => control.administer(requests, actor),
    // The control thread answers it with a BackupOutcome (backup.ts), a plain object.
    backup: (name, actor) => control.ask({ kind: 'backup', backup: { name }, actor }) as Promise<JsonObject>,
    // The control thread answers a management request with a StatisticsAnswer (statistics.ts).
    ask: (question) => control.ask({ kind: 'management', question }) as Promise<StatisticsAnswer>,
  };
}

/** The management API of a shard. It is loaded with the first request: schemas and routes are memory that a node need not have that nobody manages. */
export function managementHandler(ports: ShardPorts): HttpHandler {
  let door: ManagementDoor | undefined;
  let loading: Promise<ManagementDoor> | undefined;
  const load = async (): Promise<ManagementDoor> => {
    const { ManagementDoor: Door } = await import('../../doors/management/index.js');
    door = new Door(portsOf(ports));
    return door;
  };
  return (request, respond) => {
    if (door !== undefined) {
      door.handle(request, respond);
      return;
    }
    loading ??= load();
    const early = withBody(request);
    void loading.then((loaded) => loaded.handle(early, respond));
  };
}

/** A body must be asked for at once, or the listener discards it. */
function withBody(request: HttpRequest): HttpRequest {
  const body = request.body();
  body.catch(() => {});
  return {
    method: request.method,
    path: request.path,
    query: request.query,
    remoteAddress: request.remoteAddress,
    tls: request.tls,
    header: (name) => request.header(name),
    body: () => body,
    get isAborted() {
      return request.isAborted;
    },
  };
}
