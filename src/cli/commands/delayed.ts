import type { Command } from 'commander';
import { type NodeSession, nodeAction } from '../connection.js';
import { CliError } from '../exit-codes.js';
import { plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

/** `duolog delayed`: messages that wait for their time. */
export function addDelayed(program: Command, terminal: Terminal): void {
  const delayed = program
    .command('delayed')
    .summary('count and cancel messages that wait for their time')
    .description('Messages that wait for their time before they are routed.');
  delayed
    .command('count')
    .summary('how many wait, and when the next one fires')
    .description("Print how many messages wait for their time, for one exchange ('' is the default one) or for all.")
    .argument('[exchange]')
    .action(nodeAction(terminal, countDelayed));
  delayed
    .command('cancel')
    .summary('take messages out before their time')
    .description('Take out the messages that wait for an exchange under this message id. They go nowhere.')
    .argument('<exchange>', "'' is the default one")
    .argument('<message-id>')
    .action(nodeAction(terminal, cancelDelayed));
}

async function countDelayed(
  { client, output, interrupted }: NodeSession<unknown>,
  exchange: string | undefined,
): Promise<void> {
  const { held, nextFire } = await client.countDelayed(exchange, { signal: interrupted });
  const next = nextFire?.toISOString();
  await output.one({ exchange: exchange ?? null, held, nextFire: next ?? null }, () =>
    output.fieldsText([['waiting', String(held)], ...(next === undefined ? [] : [['next fires', next] as const])]),
  );
}

async function cancelDelayed(
  { client, output, interrupted }: NodeSession<unknown>,
  exchange: string,
  messageId: string,
): Promise<void> {
  const cancelled = await client.cancelDelayed(exchange, messageId, { signal: interrupted });
  if (cancelled === 0) {
    const where = exchange === '' ? 'the default exchange' : `exchange ${exchange}`;
    throw new CliError('not-found', `Nothing waits for ${where} under the message id ${messageId}`);
  }
  if (output.format === 'table') output.note(`Cancelled ${plural(cancelled, 'message')}`);
  else await output.one({ exchange, messageId, cancelled }, () => '');
}
