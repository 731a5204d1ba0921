import type { Sequence } from './operations.js';

/** A difference from RabbitMQ 3.10 that is meant, with its reason. */
export interface KnownDifference {
  readonly name: string;
  readonly reason: string;
  /** Whether this is it: the shrunken sequence, and what both brokers showed after its last step. */
  readonly matches: (sequence: Sequence, expected: string, found: string) => boolean;
}

/**
 * Headers that are left out of the comparison. RabbitMQ 3.13, whose version the node announces, adds them to dead letters; 3.10, with which it is compared,
 * does not know them.
 */
export const OWN_HEADERS: ReadonlySet<string> = new Set([
  'x-last-death-queue',
  'x-last-death-reason',
  'x-last-death-exchange',
]);

const PARTIAL = 'PRECONDITION_FAILED - partial tx completion';

/** All differences from RabbitMQ that are meant, beside OWN_HEADERS and the order of older deaths (transcript.ts). Whatever is not here is a defect. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: 'a transaction is all or nothing',
    reason:
      'Where a queue refuses one message of a transaction, RabbitMQ keeps the others and says so; here nothing of it is done.',
    matches: (sequence, expected, found) =>
      sequence.steps.at(-1)?.method === 'tx.commit' && expected.includes(PARTIAL) && found.includes(PARTIAL),
  },
  {
    name: 'a transaction is routed when it is committed',
    reason:
      'RabbitMQ routes each publish of a transaction when it comes. An exchange that has gone until the commit makes that fail here, with 404 and nothing done.',
    matches: (sequence, expected, found) =>
      sequence.steps.at(-1)?.method === 'tx.commit' &&
      expected.startsWith('tx.commit-ok') &&
      /^channel\.close .*NOT_FOUND - no exchange/.test(found),
  },
];
