/** All operations of the API. */
import type { Endpoint } from './endpoint.js';
import { backupEndpoints } from './routes/backups.js';
import { bindingEndpoints } from './routes/bindings.js';
import { connectionEndpoints } from './routes/connections.js';
import { definitionEndpoints } from './routes/definitions.js';
import { descriptionEndpoint } from './routes/description.js';
import { exchangeEndpoints } from './routes/exchanges.js';
import { healthEndpoints } from './routes/health.js';
import { limitEndpoints } from './routes/limits.js';
import { messageEndpoints } from './routes/messages.js';
import { nodeEndpoints } from './routes/node.js';
import { parameterEndpoints } from './routes/parameters.js';
import { permissionEndpoints } from './routes/permissions.js';
import { policyEndpoints } from './routes/policies.js';
import { queueEndpoints } from './routes/queues.js';
import { userEndpoints } from './routes/users.js';
import { vhostEndpoints } from './routes/vhosts.js';

const described: readonly Endpoint[] = [
  ...nodeEndpoints,
  ...connectionEndpoints,
  ...queueEndpoints,
  ...exchangeEndpoints,
  ...bindingEndpoints,
  ...messageEndpoints,
  ...vhostEndpoints,
  ...userEndpoints,
  ...permissionEndpoints,
  ...limitEndpoints,
  ...policyEndpoints,
  ...parameterEndpoints,
  ...definitionEndpoints,
  ...backupEndpoints,
  ...healthEndpoints,
];

/** See the top of this file. */
export const endpoints: readonly Endpoint[] = [...described, descriptionEndpoint(described)];
