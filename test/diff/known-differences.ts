import type { Sequence, Step } from './operations.js';

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

/** RabbitMQ's answer when it fails in a way that nobody has foreseen. */
const CRASHED = 'connection.close {"replyCode":541';
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
  {
    name: 'a commit happens at once',
    reason:
      'RabbitMQ works off a transaction: consumers may have its messages before what it gives back. Here they see all of it together, in the order of the queue.',
    matches: ({ steps }, expected, found) =>
      steps.at(-1)?.method === 'tx.commit' &&
      expected.startsWith('tx.commit-ok') &&
      withoutOrder(expected) === withoutOrder(found),
  },
  {
    name: 'single gets never count against the prefetch of a channel',
    reason:
      'RabbitMQ counts what was got before basic.qos with global=true, and goes on counting it when it is acknowledged: consumers may then starve. What is got afterwards it does not count.',
    matches: ({ steps }, expected, found) => {
      const isGet = ({ method, fields }: Step) => method === 'basic.get' && fields?.['noAck'] !== true;
      const first = steps.findIndex(isGet);
      if (first < 0 || !steps.slice(first).some(isChannelLimit)) return false;
      // To nobody, to fewer, or to the next consumer in line, whose channel has no such limit.
      return deliversMore(found, expected) || withoutConsumer(expected) === withoutConsumer(found);
    },
  },
  {
    name: 'consumers without acknowledgement under the prefetch of a channel',
    reason:
      'RabbitMQ holds them back, too, while others of their channel have as many unacknowledged messages as it may have. They can never be the cause of that, and the specification says that prefetch means nothing to them (basic.qos).',
    matches: ({ steps }, expected, found) =>
      steps.some(isChannelLimit) &&
      steps.some(({ method, fields }) => method === 'basic.consume' && fields?.['noAck'] === true) &&
      deliversMore(found, expected),
  },
  {
    name: 'the next in line under the prefetch of a channel',
    reason:
      'A consumer whose channel is full leaves the line here, and comes back to its end. In RabbitMQ it keeps its place until a message finds it full. Both serve all in turn.',
    matches: ({ steps }, expected, found) =>
      steps.some(isChannelLimit) &&
      /^basic\.(ack|nack|reject)$/.test(steps.at(-1)?.method ?? '') &&
      withoutConsumer(expected) === withoutConsumer(found),
  },
  {
    name: 'a wrong type of a queue whose name is for the broker to choose',
    reason: 'RabbitMQ 3.10 fails with 541 and ends the connection; here it is 406, as for a queue that has a name.',
    matches: ({ steps }, expected) => {
      const { method, fields } = steps.at(-1)!;
      const isNameless = method === 'queue.declare' && fields?.['queue'] === '';
      return isNameless && JSON.stringify(fields).includes('x-queue-type') && expected.startsWith(CRASHED);
    },
  },
  {
    name: 'exclusive consumers of quorum queues',
    reason: 'RabbitMQ overlooks `exclusive` when a quorum queue is consumed; here it holds for every queue.',
    matches: ({ steps }, _expected, found) =>
      steps.some(isQuorum) && steps.at(-1)?.method === 'basic.consume' && found.includes('in exclusive use'),
  },
  {
    name: 'deliveries of a connection that ends with an error',
    reason:
      "RabbitMQ's channels end one after the other: what one of them gives back may reach another of the same connection, behind the connection.close after which nothing counts.",
    matches: (_sequence, expected, found) =>
      expected.startsWith('connection.close') && found.startsWith('connection.close') && deliversMore(expected, found),
  },
  {
    name: 'the prefetch of a channel for quorum queues',
    reason: 'RabbitMQ does not know it and ends the connection with 540; here it means what it means for others.',
    matches: (_sequence, expected) => /does not support global qos/.test(expected),
  },
  {
    name: 'prefetch after a dead letter of a quorum queue',
    reason:
      'When a message that came back is beyond the delivery limit, RabbitMQ gives its consumer credit for two: it then holds more than its prefetch.',
    matches: ({ steps }, expected, found) =>
      steps.some((step) => isQuorum(step) && JSON.stringify(step.fields).includes('x-delivery-limit')) &&
      /^basic\.(nack|reject)$/.test(steps.at(-1)?.method ?? '') &&
      deliversMore(expected, found),
  },
  {
    name: 'conditional deletion of quorum queues',
    reason:
      'RabbitMQ does not know if-unused and if-empty for quorum queues and ends the connection with 540; here they mean what they mean for others.',
    matches: ({ steps }, expected) =>
      steps.at(-1)?.method === 'queue.delete' && /are not supported by quorum queues/.test(expected),
  },
];

/** The same for the same events in any order. */
function withoutOrder(text: string): string {
  return text
    .replaceAll(/"deliveryTag":\d+/g, '')
    .split('\n')
    .sort()
    .join('\n');
}

/** The same for the same deliveries to whomever. */
function withoutConsumer(text: string): string {
  return withoutOrder(text.replaceAll(/channel \d+|"consumerTag":"[^"]*"/g, ''));
}

function isChannelLimit({ method, fields }: Step): boolean {
  return method === 'basic.qos' && fields?.['global'] === true;
}

/** Whether one has all deliveries of the other, and more. */
function deliversMore(text: string, other: string): boolean {
  const deliveries = (from: string) =>
    withoutOrder(from)
      .split('\n')
      .filter((line) => line.includes('basic.deliver'));
  const more = deliveries(text);
  const fewer = deliveries(other);
  return more.length > fewer.length && fewer.every((line) => more.includes(line));
}

function isQuorum({ method, fields }: Step): boolean {
  return method === 'queue.declare' && JSON.stringify(fields).includes('quorum');
}
