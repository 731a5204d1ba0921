/** The ways of signing that can be allowed (RFC 7518 §3.1): with a private key, so that who can check a token cannot make one. */
export const SIGNATURE_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const;

/** One of them. */
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** A public key (RFC 7517), with nothing in it but what checking needs. Plain, for the way between threads. */
export interface TokenKey {
  readonly kty: 'RSA' | 'EC';
  /** Its name, by which tokens choose it; absent = for tokens whose key is not named, or named otherwise. */
  readonly kid?: string;
  /** The one algorithm that it is for; absent = those of its type. */
  readonly alg?: string;
  readonly n?: string;
  readonly e?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
}

/** What a token must be like, besides signed by one of the keys. */
export interface TokenRules {
  readonly algorithms: readonly SignatureAlgorithm[];
  readonly issuer: string;
  readonly audience: string;
  /** By how much clocks may differ, in seconds. */
  readonly clockSkewSeconds: number;
}
