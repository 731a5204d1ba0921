/** Digests for passwords, behind a port: slow ones on the thread pool, quick ones at once. */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import type { PasswordHasher } from './ports.js';

const DIGEST_BYTES = { sha256: 32, sha512: 64 } as const;

/** Node's own digests. */
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
