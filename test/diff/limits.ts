/** The short time to live that sequences use. */
export const SHORT_TTL_MS = 400;
/** What is published between two waits must be done within this, or the sequence is tried again: all of it has then the same fate at every look. */
export const WINDOW_MS = 200;
/** A wait is long enough for what expired to expire a second time in the queue it was dead-lettered to. */
export const WAIT_MS = 3 * SHORT_TTL_MS;
/** How long the second broker may take until it looks as the first one did. */
export const PATIENCE_MS = 700;
/** Rounds of questions after which the first broker is taken as it looks, even if it still changes. */
export const ROUNDS_MAX = 40;
/** How long a replicated queue may take to do something. */
export const REPLICATION_MS = 20;
/** How long a cut connection takes to be noticed at the first broker. */
export const CUT_MS = 60;
/** How long confirms may take. */
export const CONFIRM_MS = 5_000;
/** Queues and exchanges that a sequence may name, each by a slot. */
export const QUEUE_SLOTS = ['~q0', '~q1', '~q2', '~g0'] as const;
/** Attempts at a sequence that was too slow for its own times to live. */
export const LATE_ATTEMPTS = 4;
/** Runs of a differing sequence against the first broker, whose outcomes all count as right. */
export const REFERENCE_RUNS = 4;
/** Candidates that shrinking tries. */
export const SHRINK_TRIES = 150;
