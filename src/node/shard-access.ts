/** The authorizer of one shard, and its audit log. */
import { AuditTrail } from '../broker/access/audit.js';
import { StoreAccess } from '../broker/access/store-access.js';
import type { CatalogListener } from '../broker/catalog/listener.js';
import type { Catalog } from '../broker/catalog.js';
import { realClock, realTimers } from '../io/clock/real-clock.js';
import { realPasswordHasher } from '../io/password-hasher.js';
import { RealRandom } from '../io/random/real-random.js';
import { SharedCounts } from '../io/ring/shared-counts.js';
import { accessRules } from './access-setup.js';
import { auditText } from './audit-text.js';
import type { FromShard } from './control-messages.js';
import type { ControlRequests } from './control-requests.js';
import type { ShardSetup } from './shard-setup.js';
import type { ShardTokens } from './shard-tokens.js';

/** Makes the authorizer, and has it hear of the catalog's changes. */
export function shardAccess(
  setup: ShardSetup,
  catalog: Catalog,
  control: ControlRequests,
  post: (message: FromShard) => void,
  tokens: ShardTokens | undefined,
): StoreAccess {
  const audit = new AuditTrail(
    (line, repeated) => {
      const fields = repeated === 0 ? line : { ...line, repeated };
      post({ kind: 'log', level: 'warn', message: auditText(line), fields: { ...fields } });
    },
    realClock,
    realTimers,
  );
  const access = new StoreAccess({
    catalog,
    clock: realClock,
    timers: realTimers,
    random: new RealRandom(),
    hasher: realPasswordHasher,
    counts: new SharedCounts(setup.counts),
    audit,
    ...accessRules(setup.config),
    ...(tokens === undefined ? {} : { tokens: tokens.logins }),
    upgradeVerifiers: (upgrade) => control.upgradeVerifiers(upgrade),
  });
  catalog.listen(changesOf(access));
  return access;
}

/** Virtual hosts come and go with their predeclared exchanges. */
function changesOf(access: StoreAccess): CatalogListener {
  return {
    exchangeDeclared: () => {},
    exchangeDeleted: (_vhost, name) => {
      if (name === '') access.changed();
    },
    bound: () => {},
    unbound: () => {},
    topicChanged: () => {},
    accessChanged: () => access.changed(),
  };
}
