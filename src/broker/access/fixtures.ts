/** A store with users, and an authorizer on it, in virtual time. */
import { SimulatedClock } from '../../io/clock/simulated-clock.js';
import { realPasswordHasher } from '../../io/password-hasher.js';
import { SeededRandom } from '../../io/random/seeded-random.js';
import { createSharedCounts, SharedCounts } from '../../io/ring/shared-counts.js';
import type { AccessVerdict, Credentials, Principal } from '../access.js';
import { Catalog, type MetadataChange } from '../catalog.js';
import { type AuditLine, AuditTrail } from './audit.js';
import { ITERATIONS_MIN } from './limits.js';
import type { PasswordVerifier } from './model.js';
import { Passwords } from './passwords.js';
import { planAccess } from './plan.js';
import type { AccessRequest, VerifierUpgrade } from './requests.js';
import { StoreAccess, type StoreAccessOptions } from './store-access.js';

/** See the top of this file. */
export class AccessWorld {
  readonly clock = new SimulatedClock();
  readonly catalog = new Catalog();
  readonly lines: AuditLine[] = [];
  readonly upgrades: VerifierUpgrade[] = [];
  readonly counts = new SharedCounts(createSharedCounts(1024));
  readonly passwords: Passwords;
  readonly access: StoreAccess;
  /** How often a password was hashed slowly. */
  hashes = 0;

  constructor(options: Partial<StoreAccessOptions> = {}) {
    const random = new SeededRandom(1);
    const hasher: StoreAccessOptions['hasher'] = {
      ...realPasswordHasher,
      pbkdf2: (digest, password, salt, iterations) => {
        this.hashes++;
        return realPasswordHasher.pbkdf2(digest, password, salt, Math.min(iterations, ITERATIONS_MIN));
      },
    };
    this.passwords = new Passwords(hasher, random, ITERATIONS_MIN);
    this.access = new StoreAccess({
      catalog: this.catalog,
      clock: this.clock,
      timers: this.clock,
      random,
      hasher,
      iterations: ITERATIONS_MIN,
      counts: this.counts,
      audit: new AuditTrail((line) => this.lines.push(line), this.clock, this.clock),
      anonymous: 'loopback',
      loopbackUsers: ['guest'],
      upgradeVerifiers: async (upgrade) => {
        this.upgrades.push(upgrade);
      },
      ...options,
    });
    this.catalog.listen({
      exchangeDeclared: () => {},
      exchangeDeleted: () => this.access.changed(),
      bound: () => {},
      unbound: () => {},
      topicChanged: () => {},
      accessChanged: () => this.access.changed(),
    });
  }

  /** Carries out what an administrator asks. @throws BrokerError */
  async ask(...requests: AccessRequest[]): Promise<string[]> {
    const outcomes: string[] = [];
    for (const request of requests) {
      const derived = new Map<AccessRequest, readonly PasswordVerifier[]>();
      if (request.kind === 'put-user' && request.password.kind === 'password') {
        derived.set(request, await this.passwords.verifiers(request.password.password));
      }
      const plan = planAccess(this.catalog, request, derived, this.catalog.version + 1);
      this.apply(plan.changes);
      outcomes.push(plan.outcome);
    }
    return outcomes;
  }

  apply(changes: readonly MetadataChange[]): void {
    if (changes.length > 0) this.catalog.applyStep(this.catalog.version + 1, changes);
  }

  /** A user with a password and one permission on a virtual host. */
  async user(
    name: string,
    password: string,
    permission?: { configure: string; write: string; read: string },
    vhost = '/',
  ) {
    await this.ask({ kind: 'put-user', name, tags: [], password: { kind: 'password', password } });
    if (permission !== undefined) await this.ask({ kind: 'set-permission', user: name, vhost, ...permission });
  }

  /** Lets virtual time go on until the login is decided. */
  async login(
    user: string,
    password: string,
    from = '127.0.0.1',
    over: Partial<Credentials> = {},
  ): Promise<AccessVerdict> {
    let verdict: AccessVerdict | undefined;
    void Promise.resolve(this.access.authenticate({ mechanism: 'PLAIN', user, password, ...over }, from)).then(
      (found) => {
        verdict = found;
      },
    );
    await this.until(() => verdict !== undefined);
    return verdict!;
  }

  /** Who somebody is after his login. @throws Error when he is refused */
  async principal(user: string, password: string, over: Partial<Credentials> = {}): Promise<Principal> {
    const verdict = await this.login(user, password, '127.0.0.1', over);
    if (verdict.accepted) return verdict.principal;
    throw new Error(verdict.reason);
  }

  /** Real hashing takes real time, what is withheld takes virtual time. */
  async until(isDone: () => boolean): Promise<void> {
    for (let count = 0; !isDone(); count++) {
      if (count > 5_000) throw new Error('Nothing came of it');
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (count > 20) this.clock.advance(100);
    }
  }
}
