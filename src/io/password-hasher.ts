/** Digests for passwords, behind a port: slow ones on the thread pool, quick ones at once. */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';

/** Digests that passwords are kept with. */
export type DigestName = 'sha256' | 'sha512' | 'md5';

/** See the top of this file. */
export interface PasswordHasher {
  /** RFC 8018's PBKDF2 with HMAC; as many bytes as the digest has. Runs beside the event loop. */
  pbkdf2(digest: 'sha256' | 'sha512', password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Uint8Array>;
  hmac(digest: 'sha256' | 'sha512', key: Uint8Array, content: Uint8Array): Uint8Array;
  digest(digest: DigestName, content: Uint8Array): Uint8Array;
  /** Compares without telling by its duration where two differ. */
  isSame(left: Uint8Array, right: Uint8Array): boolean;
}

const DIGEST_BYTES = { sha256: 32, sha512: 64 } as const;

/** Node's own. */
export const realPasswordHasher: PasswordHasher = {
  pbkdf2: (digest, password, salt, iterations) =>
    new Promise((resolve, reject) => {
      pbkdf2(password, salt, iterations, DIGEST_BYTES[digest], digest, (error, key) => {
        if (error === null) resolve(new Uint8Array(key));
        else reject(error);
      });
    }),
  hmac: (digest, key, content) => new Uint8Array(createHmac(digest, key).update(content).digest()),
  digest: (digest, content) => new Uint8Array(createHash(digest).update(content).digest()),
  isSame: (left, right) => left.length === right.length && timingSafeEqual(left, right),
};
