import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { CliError } from './exit-codes.js';
import { messageAsJson } from './message-format.js';
import {
  type InputOptions,
  type InputSource,
  inputSources,
  type OutgoingMessage,
  readMessages,
} from './message-input.js';

const lines: InputOptions = { kind: 'lines', delimiter: '\n', maxMessageBytes: 1000 };

/** A source that hands its bytes out in pieces of `size`. */
function source(bytes: Uint8Array | string, size = 1_000_000): InputSource {
  const all = Buffer.from(bytes);
  const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.subarray(index * size, (index + 1) * size),
  );
  return { name: 'test', open: () => Readable.from(pieces, { objectMode: false }) };
}

async function read(from: InputSource, options: InputOptions): Promise<OutgoingMessage[]> {
  const messages: OutgoingMessage[] = [];
  for await (const some of readMessages([from], options)) messages.push(...some);
  return messages;
}

const texts = async (from: InputSource, options: InputOptions) =>
  (await read(from, options)).map(({ key, value }) => [key?.toString() ?? null, value?.toString() ?? null]);

describe('messages from lines', () => {
  it('takes each line, the last one without its end, and empty ones', async () => {
    expect(await texts(source('a\n\nb'), lines)).toEqual([
      [null, 'a'],
      [null, ''],
      [null, 'b'],
    ]);
    expect(await texts(source('a\n'), lines)).toEqual([[null, 'a']]);
    expect(await texts(source(''), lines)).toEqual([]);
  });

  it('finds delimiters and keys wherever the input is cut', async () => {
    const text = 'k1::one--k2::två::x--::--k3::';
    const options = { ...lines, delimiter: '--', keySeparator: '::' };
    for (let size = 1; size <= text.length + 2; size += 1) {
      expect(await texts(source(text, size), options)).toEqual([
        ['k1', 'one'],
        ['k2', 'två::x'],
        ['', ''],
        ['k3', ''],
      ]);
    }
  });

  it('gives what comes before a bad line first', async () => {
    const before: string[] = [];
    const reading = async () => {
      for await (const some of readMessages([source('a:1\nb:2\nbad\n')], { ...lines, keySeparator: ':' })) {
        before.push(...some.map(({ value }) => String(value)));
      }
    };
    await expect(reading()).rejects.toThrow('test, line 3');
    expect(before).toEqual(['1', '2']);
  });

  it('names the line without a key, and the one that is too long', async () => {
    await expect(read(source('k:v\nv\n'), { ...lines, keySeparator: ':' })).rejects.toThrow('test, line 2');
    await expect(read(source(`a\n${'x'.repeat(1001)}\n`), lines)).rejects.toThrow('test, line 2');
    await expect(read(source('x'.repeat(200_000), 1000), lines)).rejects.toThrow('at most 1000');
  });
});

describe('messages from whole inputs and from JSON', () => {
  it('takes everything as one message, bytes unchanged', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const messages = await read(source(bytes, 7), { ...lines, kind: 'raw' });
    expect(messages).toEqual([{ value: Buffer.from(bytes) }]);
    await expect(read(source('x'.repeat(1001)), { ...lines, kind: 'raw' })).rejects.toThrow(CliError);
  });

  it('reads back what -o ndjson printed', async () => {
    const message = {
      partition: 0,
      offset: 1,
      timestamp: 5,
      key: Buffer.from('k'),
      value: Buffer.from([255, 10]),
      headers: [
        ['a', Buffer.from('1')],
        ['b', null],
      ] as const,
    };
    const line = `${JSON.stringify(messageAsJson(message, 't'))}\n`;
    const [back] = await read(source(line), { ...lines, kind: 'ndjson' });
    expect(back).toEqual({ key: message.key, value: message.value, headers: message.headers });
  });

  it('says what is wrong with a line of JSON, and where', async () => {
    for (const bad of ['{', '[]', '{"value":1}', '{"headers":{}}', '{"headers":[{}]}']) {
      await expect(read(source(`{}\n${bad}\n`), { ...lines, kind: 'ndjson' }), bad).rejects.toThrow('test, line 2');
    }
  });

  it('names the file that is not there', async () => {
    const [missing] = inputSources(['no/such/file'], Readable.from([]));
    await expect(read(missing!, lines)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('no/such/file'),
    });
  });
});
