/** After the attack: nothing is there that nobody made, and everything that was confirmed is. */
import { GOOD_QUEUE, GOOD_TOPIC, SILENT_TOPIC } from './good-client.js';
import type { Ledger } from './ledger.js';
import { QUEUE, TOPIC } from './valid-frames.js';
import { WireClient } from './wire-client.js';

/** Messages per partition, by offsets: nothing is ever removed from these topics, and an orderly run leaves no gaps. */
async function endOf(client: WireClient, name: string): Promise<number> {
  const { description } = await client.ask({ describe: { name } });
  return (description?.partitions ?? []).reduce((sum, { end }) => sum + Number(end ?? 0), 0);
}

async function namesOf(client: WireClient): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const { listing } = await client.ask({ list: { after: names.at(-1) ?? '' } });
    for (const { topic, queue } of listing?.entries ?? []) names.push(topic?.name ?? queue?.name ?? '');
    if (!listing?.more) return names;
  }
}

/** Reads the good topic from its beginning, and complains about every message that is not what was published there. */
async function checkGoodTopic(client: WireClient, published: number, complain: (text: string) => void): Promise<void> {
  for (const partition of [0, 1]) {
    let offset = 0;
    let expected = partition;
    for (let end = 1; offset < end; ) {
      const partitions = [{ partition, offset }];
      const { fetched } = await client.ask({
        fetch: { from: GOOD_TOPIC, partitions, maxBytes: 1 << 20, decoded: true },
      });
      const part = fetched?.partitions?.[0];
      if (part?.error) return complain(`Cannot read ${GOOD_TOPIC} from ${offset}: ${part.error.message}`);
      for (const { message } of part?.records?.messages ?? []) {
        const sequence = Number(Buffer.from(message?.value ?? new Uint8Array(8)).readBigUInt64BE(0));
        if (sequence !== expected)
          complain(`${GOOD_TOPIC}/${partition}: message ${expected} was due, ${sequence} is there`);
        expected += 2;
      }
      end = Number(part?.end ?? 0);
      offset = Number(part?.records?.nextOffset ?? end);
    }
    const due = Math.ceil((published - partition) / 2);
    if ((expected - partition) / 2 !== due)
      complain(`${GOOD_TOPIC}/${partition} holds ${(expected - partition) / 2} messages of ${due}`);
  }
}

/** Counts what is there. `published`: by the good client to each of its targets. */
export async function lastCount(url: string, ledger: Ledger, published: number): Promise<string> {
  const client = await WireClient.open(url);
  const complain = (text: string): void => ledger.violation(undefined, text);
  const own = new Set([GOOD_TOPIC, GOOD_QUEUE, SILENT_TOPIC, TOPIC, QUEUE]);
  const names = await namesOf(client);
  for (const name of names) if (!own.has(name) && !ledger.declared.has(name)) complain(`Nobody declared "${name}"`);
  for (const name of own) if (!names.includes(name)) complain(`"${name}" is gone`);
  const counts: string[] = [];
  for (const name of [TOPIC, QUEUE]) {
    const end = await endOf(client, name);
    const least = ledger.confirmed.get(name) ?? 0;
    const most = ledger.attempted.get(name) ?? 0;
    counts.push(`${name} ${end}`);
    if (end < least || end > most)
      complain(`"${name}" holds ${end} messages: ${least} were confirmed and ${most} attempted`);
  }
  if ((await endOf(client, SILENT_TOPIC)) !== 0) complain(`"${SILENT_TOPIC}" holds messages that nobody published`);
  if ((await endOf(client, GOOD_QUEUE)) !== published) complain(`"${GOOD_QUEUE}" does not hold ${published} messages`);
  await checkGoodTopic(client, published, complain);
  await client.close();
  return `${names.length} topics and queues, ${counts.join(', ')}`;
}
