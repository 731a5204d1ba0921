import { type Command, Option } from 'commander';
import type { Fields, RouteExplanation, RouteMatch, RouteStep } from '../../client/index.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { field } from '../fields.js';
import type { CellColumn } from '../output.js';
import { plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';
import { bindingAsJson } from './binding.js';

/** `duolog route test`: where a message would go, and why. */
export function addRoute(program: Command, terminal: Terminal): void {
  program
    .command('route')
    .summary('where a message would go')
    .description('Ask where messages go.')
    .command('test')
    .summary('which queues a message would reach, and why')
    .description(
      "Print which queues and topics a message would reach, and by which bindings. Nothing is published. '' is the default exchange.",
    )
    .argument('<exchange>')
    .argument('<routing-key>')
    .addOption(new Option('-H, --header <name=value>', 'a header of the message; may be repeated').argParser(field))
    .action(nodeAction(terminal, test));
}

interface Row {
  readonly step: RouteStep;
  readonly match: RouteMatch;
}

const columns: readonly CellColumn<Row>[] = [
  { heading: 'EXCHANGE', cell: ({ step }) => (step.exchange === '' ? '(default)' : step.exchange) },
  { heading: 'TO', cell: ({ match }) => destinationOf(match) },
  { heading: 'KIND', cell: ({ match }) => (match.binding.queue === undefined ? 'exchange' : 'queue') },
  { heading: 'BINDING KEY', cell: ({ match }) => match.binding.routingKey ?? '' },
  { heading: 'BECAUSE', cell: ({ match }) => match.reason },
];

function destinationOf({ binding }: RouteMatch): string {
  return binding.queue ?? binding.exchange ?? '';
}

async function test(
  { client, output, options, interrupted }: NodeSession<{ readonly header?: Fields }>,
  exchange: string,
  routingKey: string,
): Promise<void> {
  const { header: headers } = options;
  const message = { exchange, routingKey, ...(headers === undefined ? {} : { headers }) };
  const route = await client.explainRoute(message, { signal: interrupted });
  const destinations = destinationsOf(route);
  const rows = route.steps.flatMap((step) => step.matches.map((match) => ({ step, match })));
  await output.one(asJson(route, destinations), () => (rows.length === 0 ? '' : output.tableText(rows, columns)));
  // What matches is in the table; where nothing does, the node says what becomes of the message.
  for (const { note, matches } of route.steps) if (matches.length === 0) output.note(note);
  const verdict =
    destinations.length === 0 ? 'No queue gets the message' : `It reaches ${plural(destinations.length, 'queue')}`;
  output.note(`${verdict}${destinations.length === 0 ? '' : `: ${destinations.join(', ')}`}`);
  if (route.more) output.warn('There are more matches than are told');
}

/** Queues and topics without duplicates: one that several bindings lead to gets the message once. */
function destinationsOf({ steps }: RouteExplanation): string[] {
  const names = steps.flatMap(({ matches }) => matches.flatMap(({ binding }) => binding.queue ?? []));
  return [...new Set(names)];
}

function asJson({ steps, more }: RouteExplanation, destinations: readonly string[]): object {
  const told = steps.map((step) => ({
    ...step,
    matches: step.matches.map(({ binding, key, reason }) => ({ binding: bindingAsJson(binding), key, reason })),
  }));
  return { destinations, steps: told, more };
}
