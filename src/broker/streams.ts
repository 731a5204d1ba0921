/** Queues of type `stream`: logs that are read by offset and have no cursor, so that retention alone decides how long messages stay. */
import { decodeTable, textOf } from '../record/amqp/field-table.js';
import type { TopicSettings } from './ports.js';

/** Whether a queue was declared with `x-queue-type: stream`. Plain topics are none, though they are read alike. */
export function isStream({ queue }: TopicSettings): boolean {
  if (queue === undefined || queue.arguments.length === 0) return false;
  return textOf(decodeTable(queue.arguments).get('x-queue-type')) === 'stream';
}

/** Whether the logs of a topic or queue have a queue's cursor. */
export function hasCursor(settings: TopicSettings): boolean {
  return settings.kind === 'queue' && !isStream(settings);
}
