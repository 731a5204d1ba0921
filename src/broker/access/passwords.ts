/** Passwords and what they are checked against: SCRAM's verifiers (RFC 5802, RFC 7677), and RabbitMQ's salted hashes as they are imported. */
import { unreachable } from '../../base/assert.js';
import { encodeUtf8, utf8Size } from '../../base/utf8.js';
import type { PasswordHasher, Random } from '../../io/ports.js';
import { BrokerError } from '../errors.js';
import {
  ITERATIONS,
  ITERATIONS_MAX,
  ITERATIONS_MIN,
  PASSWORD_BYTES_MAX,
  VERIFIER_BYTES_MAX,
  VERIFIERS_MAX,
} from './limits.js';
import type { PasswordVerifier, RabbitVerifier, ScramVerifier, UserEntry } from './model.js';
import type { PasswordChange } from './requests.js';

const SALT_BYTES = 16;
const RABBIT_SALT_BYTES = 4;
const CLIENT_KEY = encodeUtf8('Client Key');
const SERVER_KEY = encodeUtf8('Server Key');

const SCRAM_DIGESTS = { 'scram-sha-256': 'sha256', 'scram-sha-512': 'sha512' } as const;
const RABBIT_DIGESTS = { 'rabbit-sha256': 'sha256', 'rabbit-sha512': 'sha512', 'rabbit-md5': 'md5' } as const;
const RABBIT_DIGEST_BYTES = { 'rabbit-sha256': 32, 'rabbit-sha512': 64, 'rabbit-md5': 16 } as const;

/** RabbitMQ's names of its hashes in definitions. */
const RABBIT_ALGORITHMS: ReadonlyMap<string, RabbitVerifier['kind']> = new Map([
  ['rabbit_password_hashing_sha256', 'rabbit-sha256'],
  ['rabbit_password_hashing_sha512', 'rabbit-sha512'],
  ['rabbit_password_hashing_md5', 'rabbit-md5'],
]);
/** Our own in definitions: the hash is a list of `SCRAM-SHA-256$rounds:salt$stored key:server key`, as PostgreSQL writes them. */
const SCRAM_ALGORITHM = 'duolog_password_hashing_scram';

/** Nobody's: checked where there is no user, so that a guess takes as long whether its user exists or not. */
const NOBODY: ScramVerifier = {
  kind: 'scram-sha-256',
  salt: new Uint8Array(SALT_BYTES),
  iterations: ITERATIONS,
  storedKey: new Uint8Array(32),
  serverKey: new Uint8Array(32),
};

/** Makes and checks verifiers. */
export class Passwords {
  private readonly hasher: PasswordHasher;
  private readonly random: Random;
  private readonly iterations: number;

  constructor(hasher: PasswordHasher, random: Random, iterations: number = ITERATIONS) {
    this.hasher = hasher;
    this.random = random;
    this.iterations = iterations;
  }

  /** The verifiers of a password, one of each kind; takes twice what a login takes. */
  async verifiers(password: string): Promise<readonly ScramVerifier[]> {
    return [await this.verifier('scram-sha-256', password), await this.verifier('scram-sha-512', password)];
  }

  private async verifier(kind: ScramVerifier['kind'], password: string): Promise<ScramVerifier> {
    const salt = this.random.bytes(SALT_BYTES).slice();
    const { iterations } = this;
    const { storedKey, serverKey } = await this.keys({ kind, salt, iterations }, password);
    return { kind, salt, iterations, storedKey, serverKey };
  }

  private async keys(
    { kind, salt, iterations }: Pick<ScramVerifier, 'kind' | 'salt' | 'iterations'>,
    password: string,
  ): Promise<{ readonly storedKey: Uint8Array; readonly serverKey: Uint8Array }> {
    const { hasher } = this;
    const digest = SCRAM_DIGESTS[kind];
    const salted = await hasher.pbkdf2(digest, encodeUtf8(password.normalize('NFKC')), salt, iterations);
    const storedKey = hasher.digest(digest, hasher.hmac(digest, salted, CLIENT_KEY));
    return { storedKey, serverKey: hasher.hmac(digest, salted, SERVER_KEY) };
  }

  /** Whether `password` is that of the verifiers; without any, or with an empty password, false, after as long a time. */
  async isRight(verifiers: readonly PasswordVerifier[], password: string): Promise<boolean> {
    const best = verifiers.find(({ kind }) => kind === 'scram-sha-256') ?? verifiers[0];
    const isPossible = best !== undefined && password !== '' && utf8Size(password) <= PASSWORD_BYTES_MAX;
    if (!isPossible) {
      await this.keys(NOBODY, password.slice(0, PASSWORD_BYTES_MAX));
      return false;
    }
    return 'hash' in best ? this.isRightRabbit(best, password) : this.isRightScram(best, password);
  }

  private async isRightScram(verifier: ScramVerifier, password: string): Promise<boolean> {
    const { storedKey } = await this.keys(verifier, password);
    return this.hasher.isSame(storedKey, verifier.storedKey);
  }

  /** Slowed to the pace of the others, so that its duration tells nothing of how a user's password is kept. */
  private async isRightRabbit({ kind, hash }: RabbitVerifier, password: string): Promise<boolean> {
    await this.keys(NOBODY, password);
    const secret = encodeUtf8(password);
    const salted = new Uint8Array(RABBIT_SALT_BYTES + secret.length);
    salted.set(hash.subarray(0, RABBIT_SALT_BYTES));
    salted.set(secret, RABBIT_SALT_BYTES);
    return this.hasher.isSame(this.hasher.digest(RABBIT_DIGESTS[kind], salted), hash.subarray(RABBIT_SALT_BYTES));
  }
}

/** Whether the first login should replace what there is. */
export function needsUpgrade({ verifiers }: UserEntry): boolean {
  return verifiers.some((verifier) => 'hash' in verifier);
}

/** Checks a change that brings a password or what stands for it. @throws BrokerError `invalid-request` */
export function checkPasswordChange(user: string, change: PasswordChange): void {
  const wrong = wrongOf(change);
  if (wrong !== undefined)
    throw new BrokerError('invalid-request', `Cannot set the password of user '${user}': ${wrong}`);
}

function wrongOf(change: PasswordChange): string | undefined {
  switch (change.kind) {
    case 'password': {
      if (change.password === '') return 'it is empty';
      return utf8Size(change.password) > PASSWORD_BYTES_MAX
        ? `it is longer than ${PASSWORD_BYTES_MAX} bytes`
        : undefined;
    }
    case 'rabbit-hash': {
      const { kind, hash } = change.verifier;
      const size = RABBIT_SALT_BYTES + RABBIT_DIGEST_BYTES[kind];
      return hash.length === size ? undefined : `a hash of kind ${kind} has ${size} bytes, not ${hash.length}`;
    }
    case 'verifiers':
      return change.verifiers.length > 0 && change.verifiers.length <= VERIFIERS_MAX && change.verifiers.every(isSound)
        ? undefined
        : 'its verifiers are not sound';
    case 'none':
    case 'keep':
      return undefined;
    default:
      return unreachable(change);
  }
}

function isSound({ kind, salt, iterations, storedKey, serverKey }: ScramVerifier): boolean {
  const size = kind === 'scram-sha-256' ? 32 : 64;
  const isSlowEnough = iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX;
  const isSalted = salt.length >= 8 && salt.length <= VERIFIER_BYTES_MAX;
  return isSlowEnough && isSalted && storedKey.length === size && serverKey.length === size;
}

/** What definitions say of a user's password. */
export interface ExportedPassword {
  readonly password_hash: string;
  readonly hashing_algorithm: string;
}

/** What definitions carry of a user: RabbitMQ's hash as long as it is one, else our own form. An empty hash: no password. */
export function exportedPassword({ verifiers }: UserEntry): ExportedPassword {
  const rabbit = verifiers.find((verifier): verifier is RabbitVerifier => 'hash' in verifier);
  if (rabbit !== undefined) {
    const algorithm = `rabbit_password_hashing_${rabbit.kind.slice('rabbit-'.length)}`;
    return { password_hash: base64(rabbit.hash), hashing_algorithm: algorithm };
  }
  const scram = verifiers.filter((verifier): verifier is ScramVerifier => !('hash' in verifier));
  if (scram.length === 0) return { password_hash: '', hashing_algorithm: 'rabbit_password_hashing_sha256' };
  return { password_hash: scram.map(scramText).join(','), hashing_algorithm: SCRAM_ALGORITHM };
}

function scramText({ kind, salt, iterations, storedKey, serverKey }: ScramVerifier): string {
  return `${kind.toUpperCase()}$${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`;
}

/** Reads `password_hash` and `hashing_algorithm` of definitions; undefined when they make no sense. Without an algorithm it is RabbitMQ's SHA-256. */
export function importedPassword(hash: string, algorithm?: string): PasswordChange | undefined {
  if (hash === '') return { kind: 'none' };
  if (algorithm === SCRAM_ALGORITHM) {
    const verifiers = hash.split(',', VERIFIERS_MAX + 1).map(scramOf);
    const known = verifiers.filter((verifier) => verifier !== undefined);
    return known.length === verifiers.length ? { kind: 'verifiers', verifiers: known } : undefined;
  }
  const kind = RABBIT_ALGORITHMS.get(algorithm ?? 'rabbit_password_hashing_sha256');
  const bytes = fromBase64(hash);
  if (kind === undefined || bytes?.length !== RABBIT_SALT_BYTES + RABBIT_DIGEST_BYTES[kind]) return undefined;
  return { kind: 'rabbit-hash', verifier: { kind, hash: bytes } };
}

const SCRAM_TEXT = /^(SCRAM-SHA-(?:256|512))\$(\d{1,7}):([\w+/=]{1,172})\$([\w+/=]{1,172}):([\w+/=]{1,172})$/;

function scramOf(text: string): ScramVerifier | undefined {
  const match = SCRAM_TEXT.exec(text);
  if (match === null) return undefined;
  const [, name, iterations, ...rest] = match;
  const [salt, storedKey, serverKey] = rest.map(fromBase64);
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined;
  const kind = name === 'SCRAM-SHA-256' ? 'scram-sha-256' : 'scram-sha-512';
  return { kind, iterations: Number(iterations), salt, storedKey, serverKey };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** Bytes of their own; undefined for what is no base64. */
function fromBase64(text: string): Uint8Array | undefined {
  if (text.length > 4 * VERIFIER_BYTES_MAX || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'base64'));
}
