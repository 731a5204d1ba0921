import type { TopicSettings } from '../ports.js';
import { parseQueuePolicy } from '../queue-arguments.js';

/** Whether rejected messages of a queue go to a dead-letter exchange: one that a crash caught on its way there must be delivered again. */
export function keepsRejected({ queue }: TopicSettings): boolean {
  if (queue === undefined || queue.arguments.length === 0) return false;
  return parseQueuePolicy(queue.arguments).deadLetterExchange !== undefined;
}
