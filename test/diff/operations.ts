import type { Value } from './wire/fields.js';
import type { Fields, Properties } from './wire/methods.js';

/** The channels of a sequence: 0 and 1 share a connection, 2 has its own. */
export type ChannelIndex = 0 | 1 | 2;

/**
 * One operation. Names begin with `~`, which stands for a prefix of the sequence's own; `~g0` is the queue that the broker has named.
 * Methods in parentheses are not AMQP's: `(wait)`, `(close connection)`, `(cut connection)`.
 */
export interface Step {
  readonly channel: ChannelIndex;
  readonly method: string;
  readonly fields?: Fields;
  readonly properties?: Properties;
  readonly body?: string;
  /** For acknowledgements: which of the channel's unacknowledged deliveries, by age; the oldest is 0. */
  readonly delivery?: number;
}

/** Operations that run one after another. */
export interface Sequence {
  /** Asks what has come of it after each step, or only at the end: then the brokers must answer later steps as if earlier ones had taken effect. */
  readonly look: 'each' | 'end';
  readonly steps: readonly Step[];
}

/** Replaces `~` in every string within a value. */
export function replaceNames<Kind extends Value | Fields | Properties>(
  value: Kind,
  replace: (text: string) => string,
): Kind {
  if (typeof value === 'string') return replace(value) as Kind;
  // As many items as before, each with its type.
  if (Array.isArray(value)) return value.map((item: Value) => replaceNames(item, replace)) as unknown as Kind;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, item]) => [name, replaceNames(item as Value, replace)]);
    // Each entry keeps its type; only the text changes.
    return Object.fromEntries(entries) as Kind;
  }
  return value;
}

/** A step in one line, for people. */
export function stepText(step: Step): string {
  const parts = [`channel ${step.channel}`, step.method];
  if (step.fields !== undefined && Object.keys(step.fields).length > 0) parts.push(JSON.stringify(step.fields));
  if (step.delivery !== undefined) parts.push(`delivery #${step.delivery}`);
  if (step.properties !== undefined && Object.keys(step.properties).length > 0) {
    parts.push(`properties ${JSON.stringify(step.properties)}`);
  }
  if (step.body !== undefined) parts.push(`body ${JSON.stringify(step.body)}`);
  return parts.join(' ');
}

/** Whether a sequence has times that pass while it runs. */
export function isTimed(sequence: Sequence): boolean {
  return sequence.steps.some((step) => step.method === '(wait)');
}
