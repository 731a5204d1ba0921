import type { TopicSettings } from '../ports.js';
import { effectivePolicy } from '../queue-arguments.js';

/** Whether rejected messages of a queue go to a dead-letter exchange: one that a crash caught on its way there must be delivered again. */
export function keepsRejected(settings: TopicSettings): boolean {
  return effectivePolicy(settings).deadLetterExchange !== undefined;
}
