import { type Command, Option } from 'commander';
import type { Missed, ReceivedRecord } from '../../client/index.js';
import { wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { addPrintOptions } from '../message-options.js';
import { MessagePrinter, type PrintOptions } from '../message-printer.js';
import type { Output } from '../output.js';
import { plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';
import { firstOf } from '../waiting.js';

interface TailOptions extends PrintOptions {
  readonly count?: number;
}

/** What is printed waits for company for so long, in milliseconds. */
const FLUSH_AFTER_MS = 5;

/** `duolog topic tail`: prints what comes from now on, and skips what there is no time for. */
export function addTail(parent: Command, terminal: Terminal): void {
  const command = parent
    .command('tail')
    .summary('follow a topic live')
    .description(
      'Print what comes into a topic from now on. A terminal that is too slow skips messages and says how many;\n`consume --follow` skips none.',
    )
    .argument('<topic>')
    .addOption(new Option('-n, --count <number>', 'stop after so many messages').argParser(wholeNumber(1)));
  addPrintOptions(command).action(nodeAction(terminal, tail));
}

async function tail({ client, output, options, interrupted }: NodeSession<TailOptions>, topic: string): Promise<void> {
  const printer = new MessagePrinter(output, topic, options);
  const broadcast = await client.broadcast(topic, { decoded: true });
  output.note(`Following ${topic} from now on. Ctrl-C ends.`);
  const limit = options.count ?? Number.POSITIVE_INFINITY;
  const iterator = broadcast[Symbol.asyncIterator]();
  try {
    while (printer.count < limit) {
      const pending = iterator.next();
      let next = await firstOf(pending, FLUSH_AFTER_MS, interrupted);
      if (next === 'idle') {
        await printer.flush();
        next = await firstOf(pending, undefined, interrupted);
      }
      if (next === 'aborted' || next === 'idle' || next.done === true) break;
      if (show(next.value, printer, output)) await printer.flush();
    }
  } finally {
    await printer.end();
    await broadcast.close();
    output.note(`Followed ${plural(printer.count, 'message')} of ${topic}`);
  }
  interrupted.throwIfAborted();
}

/** Prints a record, or says how many were skipped; true when it is time to flush. */
function show(item: ReceivedRecord | Missed, printer: MessagePrinter, output: Output): boolean {
  if (item.kind === 'record') return printer.print(item);
  output.warn(`skipped ${plural(item.count, 'message')} of partition ${item.partition}: too slow`);
  return false;
}
