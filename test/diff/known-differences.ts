import type { Sequence } from './operations.js';

/** A difference from RabbitMQ 3.10 that is meant, with its reason. */
export interface KnownDifference {
  readonly name: string;
  readonly reason: string;
  /** Whether this is it: the shrunken sequence, and what both brokers showed after its last step. */
  readonly matches: (sequence: Sequence, expected: string, found: string) => boolean;
}

/** All differences from RabbitMQ that are meant. Whatever is not here is a defect. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [];
