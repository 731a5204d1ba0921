import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Comparer, Verdict } from './compare.js';
import { generate } from './generator/generator.js';
import { isTimed, type Sequence, type Step } from './operations.js';
import { shrink } from './shrink.js';
import { normalised, shown } from './transcript.js';
import { RawConnection } from './wire/connection.js';
import { FieldReader, FieldWriter, type Table } from './wire/fields.js';
import { decodeHeader, decodeMethod, encodeHeader, encodeMethod } from './wire/methods.js';

const SEQUENCES = 2_000;

describe('the wire', () => {
  it('reads every type of value that it writes', () => {
    const table: Table = {
      array: ['one', 2, true, null, { inner: 'table' }],
      big: { tag: 'l', value: '9007199254740993' },
      bytes: { tag: 'x', value: 'bytes' },
      decimal: { tag: 'D', value: '314e-2' },
      double: { tag: 'd', value: '2.25' },
      negative: { tag: 'b', value: '-5' },
      nothing: null,
      small: { tag: 's', value: '-300' },
      text: 'text',
      time: { tag: 'T', value: '1700000000' },
    };
    const writer = new FieldWriter();
    writer.table(table);
    expect(new FieldReader(writer.bytes()).table()).toEqual(table);
  });

  it('refuses methods and headers that are cut at any byte or too long', () => {
    const method = encodeMethod('basic.deliver', {
      consumerTag: 'c',
      deliveryTag: 7,
      redelivered: true,
      exchange: 'x',
      routingKey: 'k',
    });
    expect(decodeMethod(method).fields).toEqual({
      consumerTag: 'c',
      deliveryTag: 7,
      redelivered: true,
      exchange: 'x',
      routingKey: 'k',
    });
    const header = encodeHeader(5, { contentType: 'text', headers: { a: 1 }, priority: 3, timestamp: '12' });
    expect(decodeHeader(header)).toEqual({
      bodySize: 5,
      properties: { contentType: 'text', headers: { a: 1 }, priority: 3, timestamp: '12' },
    });
    for (const [bytes, decode] of [
      [method, decodeMethod],
      [header, decodeHeader],
    ] as const) {
      for (let length = 0; length < bytes.length; length += 1)
        expect(() => decode(bytes.subarray(0, length))).toThrow();
      expect(() => decode(Buffer.concat([bytes, Buffer.from([0])]))).toThrow('too many');
    }
  });

  it.each([1, 3, 1000])(
    'understands a broker whose bytes come %i at a time, and gives one up that breaks the protocol',
    async (size) => {
      const frame = (type: number, channel: number, payload: Buffer) => {
        const head = Buffer.alloc(7);
        head.writeUInt8(type);
        head.writeUInt16BE(channel, 1);
        head.writeUInt32BE(payload.length, 3);
        return Buffer.concat([head, payload, Buffer.from([0xce])]);
      };
      const delivery = [
        frame(1, 1, encodeMethod('basic.deliver', { consumerTag: 'c', deliveryTag: 1 })),
        frame(2, 1, encodeHeader(4, { messageId: 'm' })),
        frame(3, 1, Buffer.from('bo')),
        frame(3, 1, Buffer.from('dy')),
      ];
      const answers: readonly Buffer[][] = [
        [frame(1, 0, encodeMethod('connection.start', { versionMinor: 9 }))],
        [frame(1, 0, encodeMethod('connection.tune', { frameMax: 131072 }))],
        [],
        [frame(1, 0, encodeMethod('connection.open-ok', {}))],
        [
          frame(1, 1, encodeMethod('channel.open-ok', {})),
          ...delivery,
          frame(1, 1, encodeMethod('basic.get-empty', {})),
        ],
      ];
      const server = createServer((socket: Socket) => {
        socket.setNoDelay(true);
        let step = 0;
        socket.on('error', () => undefined);
        socket.on('data', (bytes: Buffer) => {
          // tune-ok and open may come together.
          const count = step === 2 && bytes.length > 30 ? 2 : 1;
          const pieces = answers.slice(step, step + count).flat();
          step += count;
          const all = Buffer.concat(pieces);
          for (let offset = 0; offset < all.length; offset += size) socket.write(all.subarray(offset, offset + size));
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      const connection = await RawConnection.open({ host: '127.0.0.1', port: address.port });
      const channel = await connection.openChannel(1);
      await expect.poll(() => connection.ending?.fields['text']).toBe('basic.get-empty came unasked');
      expect(channel.unasked.map(shown)).toEqual([
        expect.stringMatching(/^basic\.deliver .*"deliveryTag":1.* \{"messageId":"m"\} "body"$/),
      ]);
      server.close();
    },
  );
});

describe('sequences', () => {
  it('are the same for the same seed, and others for another', () => {
    expect(generate(7, 3)).toEqual(generate(7, 3));
    expect(generate(7, 3)).not.toEqual(generate(8, 3));
  });

  it('can all be sent, and meet every operation', () => {
    const methods = new Set<string>();
    for (let index = 0; index < SEQUENCES; index += 1) {
      const sequence = generate(1, index);
      expect(sequence.look === 'end' && isTimed(sequence)).toBe(false);
      for (const { method, fields, properties } of sequence.steps) {
        methods.add(method);
        if (!method.startsWith('(')) encodeMethod(method, fields ?? {});
        encodeHeader(0, properties ?? {});
      }
    }
    for (const method of [
      'basic.get',
      'basic.nack',
      'basic.recover',
      'tx.rollback',
      'queue.purge',
      'exchange.unbind',
      '(wait)',
      '(cut connection)',
    ]) {
      expect(methods).toContain(method);
    }
  });

  it('shrink to the steps that matter', async () => {
    const step = (method: string, fields: Step['fields'] = {}): Step => ({ channel: 1, method, fields });
    const steps = ['queue.purge', 'queue.declare', 'basic.get', 'basic.publish', 'basic.get', 'tx.select'].map(
      (method) => step(method, { nowait: true }),
    );
    const different: Verdict & { kind: 'different' } = { kind: 'different', step: 4, expected: 'one', found: 'other' };
    // Two brokers that differ in a get that comes after a publish.
    const comparer: Pick<Comparer, 'compare'> = {
      compare: (sequence: Sequence) => {
        const publish = sequence.steps.findIndex(({ method }) => method === 'basic.publish');
        const get = sequence.steps.findIndex(({ method }, index) => method === 'basic.get' && index > publish);
        return Promise.resolve(publish === -1 || get === -1 ? { kind: 'same' } : { ...different, step: get });
      },
    };
    const shrunk = await shrink(comparer, { look: 'each', steps }, different);
    expect(shrunk.sequence.steps).toEqual([
      { channel: 0, method: 'basic.publish', fields: { nowait: false } },
      { channel: 0, method: 'basic.get', fields: { nowait: false } },
    ]);
  });
});

describe('what is shown', () => {
  it('has the names of the sequence, no times of the broker, and an order that does not depend on which channel was read first', () => {
    const death = { headers: { 'x-death': [{ queue: 'p-q0', time: { tag: 'T', value: '1' } }] } };
    const line = shown({
      name: 'basic.deliver',
      fields: { consumerTag: 'amq.ctag-0123456789abcdefghijkl' },
      properties: death,
      body: 'b',
    });
    const left = normalised(
      ['sent', `channel 1 ${line}`, 'channel 0 basic.return 1', 'channel 0 basic.return 2'],
      [['p-', '~']],
    );
    const right = normalised(
      ['sent', 'channel 0 basic.return 1', 'channel 0 basic.return 2', `channel 1 ${line}`],
      [['p-', '~']],
    );
    expect(left).toBe(right);
    expect(left).toContain('{"queue":"~q0","time":"some time"}');
    expect(left).toContain('amq.ctag-generated');
    expect(normalised(['sent', 'channel 0 basic.return 2', 'channel 0 basic.return 1'], [])).not.toBe(
      normalised(['sent', 'channel 0 basic.return 1', 'channel 0 basic.return 2'], []),
    );
  });
});
