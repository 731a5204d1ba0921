import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { duolog } from '../../proto/client.js';
import { requestKinds } from './envelope.js';
import { request } from './fixtures/arbitraries.js';
import { declarationOf } from './fixtures/declaration.js';
import { Harness, utf8 } from './fixtures/harness.js';
import { parseTextFrame } from './text-form.js';
import { requestSchema } from './text-schema.js';

const { Frame } = duolog.client.v1;

function parse(text: string): unknown {
  return parseTextFrame(utf8(text));
}

describe('the table of requests', () => {
  it('is what proto/client.proto says', () => {
    const root = protobuf.loadSync('proto/client.proto').resolveAll();
    for (const [name, fields] of Object.entries(requestSchema)) {
      const type = root.lookupType(`duolog.client.v1.${name}`);
      const declared = type.fieldsArray.filter((field) => name !== 'Frame' || field.id < 40);
      expect(Object.fromEntries(declared.map((field) => [field.name, declarationOf(field)]))).toEqual(fields);
    }
    const kinds = root.lookupType('duolog.client.v1.Frame').fieldsArray.filter(({ id }) => id > 1);
    const numbers = Object.fromEntries(kinds.filter(({ id }) => id < 40).map(({ name, id }) => [name, id]));
    expect(requestKinds).toEqual(numbers);
    expect(kinds.filter(({ id }) => id >= 40).every(({ id }) => id <= 66)).toBe(true);
  });
});

describe('the text form', () => {
  it('reads what the generated code writes', () => {
    fc.assert(
      fc.property(request, (frame) => {
        const message = Frame.fromObject(frame);
        const text = JSON.stringify(Frame.toObject(message, { bytes: String, longs: String, enums: String }));
        const read = Frame.fromObject(parse(text) as object);
        expect(Buffer.from(Frame.encode(read).finish()).equals(Buffer.from(Frame.encode(message).finish()))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('takes names as in the schema file, enums by name or number, integers as strings, both base64 alphabets, null', () => {
    expect(
      parse(
        '{"id":"7","settle":{"subscription":1,"up_to_tag":"9007199254740991","outcome":"OUTCOME_REQUEUE","tags":null}}',
      ),
    ).toEqual({ id: 7, settle: { subscription: 1, upToTag: 2 ** 53 - 1, outcome: 1 } });
    expect(parse('{"settle":{"outcome":2}}')).toEqual({ settle: { outcome: 2 } });
    for (const payload of ['-_8', '+/8=']) {
      expect(parse(`{"ping":{"payload":"${payload}"}}`)).toEqual({ ping: { payload: Uint8Array.of(0xfb, 0xff) } });
    }
  });

  const refused = [
    '',
    '7',
    '[]',
    '"x"',
    '{"id":-1}',
    '{"id":1.5}',
    '{"id":4294967296}',
    '{"id":true}',
    '{"id":"0x1"}',
    '{"ping":7}',
    '{"ping":{"payload":"*"}}',
    '{"ping":{"payload":"A"}}',
    '{"ping":{"payload":7}}',
    '{"ping":{"extra":1}}',
    '{"ping":{},"status":{}}',
    '{"__proto__":{}}',
    '{"settle":{"outcome":"NOTHING"}}',
    '{"settle":{"outcome":"toString"}}',
    '{"settle":{"up_to_tag":1,"upToTag":2}}',
    '{"settle":{"upToTag":9007199254740993}}',
    '{"settle":{"tags":{}}}',
    '{"describe":{"name":7}}',
    '{"declare":{"passive":"yes"}}',
    `{"publish":{"messages":[${'{},'.repeat(200_001)}{}]}}`,
    '{"a":'.repeat(40),
  ];
  it.each(refused.map((text) => [text.slice(0, 60), text]))('refuses %s', (_title, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ name: 'DecodeError' }));
  });

  it('names the place of a mistake', () => {
    expect(() => parse('{"publish":{"messages":[{"value":""},{"vlaue":""}]}}')).toThrow(
      'frame.publish.messages[1] has no field "vlaue"',
    );
  });

  it('is spoken by a session whose Hello was text, in both directions', async () => {
    const harness = Harness.open({}, 'text');
    harness.broker.add('q', 'queue');
    const publish = { to: 'q', messages: [{ key: 'aw==', value: 'dg==', headers: [{ name: 'h', value: 'MQ==' }] }] };
    const [confirms] = await harness.askText({ id: 1, publish });
    expect(confirms).toEqual({
      confirms: {
        confirms: [
          {
            id: 1,
            ranges: [{ partition: 0, baseOffset: '0', count: 1 }],
            reached: 'DURABILITY_DISK',
            duplicate: false,
          },
        ],
      },
    });
    const frames = await harness.askText({ id: 2, subscribe: { subscription: 1, from: 'q', queue: { credit: 5 } } });
    expect(frames[1]).toMatchObject({
      deliver: { subscription: 1, deliveries: [{ tag: '1', offset: '0', message: publish.messages[0] }] },
    });
    const [fetched] = await harness.askText({ id: 3, fetch: { from: 'q', partitions: [{ partition: 0 }] } });
    expect(JSON.stringify(fetched)).toContain('"messages":[{"offset":"0","message":{"key":"aw=="');
    const topic = { credit: 5, start: { beginning: true } };
    const pushed = await harness.askText({ id: 4, subscribe: { subscription: 2, from: 'q', topic } });
    expect(JSON.stringify(pushed[1])).toContain('"value":"dg=="');
    const [error] = await harness.askText({ id: 5, describe: { name: 'none' } });
    expect(error).toMatchObject({ id: 5, error: { code: 'ERROR_NOT_FOUND' } });
    const [done] = await harness.askText({ id: 6, settle: { subscription: 1, upToTag: '1' } });
    expect(done).toEqual({ id: 6, done: {} });
    expect(harness.socket.sent.every((frame) => typeof frame === 'string')).toBe(true);
  });

  it('waits for its own changes like the binary form', async () => {
    const harness = Harness.open({}, 'text');
    harness.broker.holdChanges = true;
    harness.say({ id: 1, declare: { topic: { name: 't' } } });
    harness.say({ id: 2, publish: { to: 't', messages: [{ value: 'dg==' }] } });
    harness.broker.releaseChanges();
    await harness.turn();
    expect(harness.take().map((frame) => Object.keys(frame).at(-1))).toEqual(['description', 'confirms']);
  });
});
