/** What the control thread does with administrators' requests: passwords become verifiers, all is planned as one step, and the audit log has it. */
import { type AuditLine, AuditTrail } from '../broker/access/audit.js';
import { REQUESTS_MAX } from '../broker/access/limits.js';
import type { PasswordVerifier } from '../broker/access/model.js';
import { checkPasswordChange, Passwords } from '../broker/access/passwords.js';
import { planAccess } from '../broker/access/plan.js';
import type { AccessOutcome, AccessRequest, Actor } from '../broker/access/requests.js';
import type { Catalog, MetadataChange } from '../broker/catalog.js';
import { BrokerError } from '../broker/errors.js';
import { realClock, realTimers } from '../io/clock/real-clock.js';
import { realPasswordHasher } from '../io/password-hasher.js';
import { RealRandom } from '../io/random/real-random.js';
import type { Plan } from './metadata-group.js';

/** Clear passwords of one call, and of calls that wait: each takes a tenth of a second. */
const PASSWORDS_MAX = 1_000;
/** Lines of one call in the audit log; of the rest it tells the number. */
const LINES_MAX = 100;

/** See the top of this file. */
export class Administration {
  private readonly passwords: Passwords;
  private readonly audit: AuditTrail;
  /** One password after the other, so that the pool's threads stay free for files. */
  private deriving: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(passwords: Passwords, audit: AuditTrail) {
    this.passwords = passwords;
    this.audit = audit;
  }

  /** `change` has the plan carried out, and resolves with what it returned. @throws BrokerError */
  async administer(
    requests: readonly AccessRequest[],
    actor: Actor,
    change: (plan: (catalog: Catalog) => Plan) => Promise<readonly AccessOutcome[]>,
  ): Promise<readonly AccessOutcome[]> {
    try {
      if (requests.length > REQUESTS_MAX) {
        throw new BrokerError(
          'limit-exceeded',
          `${requests.length} requests came together, the limit is ${REQUESTS_MAX}`,
        );
      }
      const derived = await this.derive(requests);
      const outcomes = await change((catalog) => planAll(catalog, requests, derived));
      this.note(requests, actor, (index) => ({ verdict: 'done', reason: outcomes[index] ?? '' }));
      return outcomes;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.note(requests, actor, () => ({ verdict: 'refused', reason }));
      throw error;
    }
  }

  private async derive(
    requests: readonly AccessRequest[],
  ): Promise<ReadonlyMap<AccessRequest, readonly PasswordVerifier[]>> {
    const derived = new Map<AccessRequest, readonly PasswordVerifier[]>();
    const clear: [AccessRequest, string][] = [];
    for (const request of requests) {
      if (request.kind !== 'put-user') continue;
      checkPasswordChange(request.name, request.password);
      if (request.password.kind === 'password') clear.push([request, request.password.password]);
    }
    if (this.waiting + clear.length > PASSWORDS_MAX) {
      throw new BrokerError('limit-exceeded', `More than ${PASSWORDS_MAX} passwords wait to be set`);
    }
    this.waiting += clear.length;
    for (const [request, password] of clear) {
      const verifiers = this.deriving.then(() => this.passwords.verifiers(password));
      this.deriving = verifiers.catch(() => undefined);
      try {
        derived.set(request, await verifiers);
      } finally {
        this.waiting--;
      }
    }
    return derived;
  }

  private note(
    requests: readonly AccessRequest[],
    actor: Actor,
    outcome: (index: number) => Pick<AuditLine, 'verdict' | 'reason'>,
  ): void {
    const who = { audit: 'change', user: actor.user, address: actor.address, door: actor.door } as const;
    for (const [index, request] of requests.entries()) {
      if (index === LINES_MAX) break;
      this.audit.noteEach({ ...who, ...subjectOf(request), ...outcome(index) });
    }
    if (requests.length <= LINES_MAX) return;
    const more = `${requests.length - LINES_MAX} more`;
    this.audit.noteEach({ ...who, action: 'more', resource: more, vhost: '', ...outcome(LINES_MAX) });
  }
}

/** Real digests, and an audit log that nobody reads. */
export function plainAdministration(): Administration {
  return new Administration(
    new Passwords(realPasswordHasher, new RealRandom()),
    new AuditTrail(() => {}, realClock, realTimers),
  );
}

function planAll(
  catalog: Catalog,
  requests: readonly AccessRequest[],
  derived: ReadonlyMap<AccessRequest, readonly PasswordVerifier[]>,
): Plan {
  const version = catalog.version + 1;
  return catalog.trial((apply) => {
    const changes: MetadataChange[] = [];
    const outcomes: AccessOutcome[] = [];
    for (const request of requests) {
      const plan = planAccess(catalog, request, derived, version);
      apply(plan.changes);
      changes.push(...plan.changes);
      outcomes.push(plan.outcome);
    }
    return { changes, result: outcomes };
  });
}

/** What a request is about, for people; never a password. */
function subjectOf(request: AccessRequest): Pick<AuditLine, 'action' | 'resource' | 'vhost'> {
  const vhost = 'vhost' in request ? (request.vhost ?? '') : '';
  const action = request.kind;
  switch (request.kind) {
    case 'put-user':
      return {
        action,
        resource: `user '${request.name}' [${request.tags.join(',')}] password ${request.password.kind}`,
        vhost,
      };
    case 'delete-user':
      return { action, resource: `user '${request.name}'`, vhost };
    case 'set-permission': {
      const { user, configure, write, read } = request;
      return { action, resource: `user '${user}' configure '${configure}' write '${write}' read '${read}'`, vhost };
    }
    case 'set-topic-permission': {
      const { user, exchange, write, read } = request;
      return { action, resource: `user '${user}' exchange '${exchange}' write '${write}' read '${read}'`, vhost };
    }
    case 'clear-permission':
    case 'clear-topic-permission':
      return { action, resource: `user '${request.user}'`, vhost };
    case 'set-user-limit':
    case 'set-vhost-limit':
      return {
        action,
        resource: `${'user' in request ? `user '${request.user}' ` : ''}${request.limit}=${request.value}`,
        vhost,
      };
    case 'clear-user-limit':
      return { action, resource: `user '${request.user}' ${request.limit ?? 'all'}`, vhost };
    case 'clear-vhost-limit':
      return { action, resource: request.limit ?? 'all', vhost };
    case 'put-vhost':
    case 'delete-vhost':
      return { action, resource: `vhost '${vhost}'`, vhost };
    case 'set-policy':
      return {
        action,
        resource: `${request.operator ? 'operator policy' : 'policy'} '${request.name}' pattern '${request.pattern}'`,
        vhost,
      };
    case 'clear-policy':
      return { action, resource: `${request.operator ? 'operator policy' : 'policy'} '${request.name}'`, vhost };
    default:
      return { action, resource: `parameter '${request.component}/${request.name}'`, vhost };
  }
}
