import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { duolog } from '../../proto/client.js';
import { declarationOf } from './fixtures/declaration.js';
import { answerSchema, encodeText } from './text-answers.js';
import { requestSchema } from './text-schema.js';
import type { WireFrame } from './wire-types.js';

const { Frame } = duolog.client.v1;
const root = protobuf.loadSync('proto/client.proto').resolveAll();

const MAX_DEPTH = 6;
const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  uint32: fc.nat(),
  uint64: fc.maxSafeNat(),
  int64: fc.maxSafeInteger(),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
  string: fc.string({ maxLength: 8 }),
  bytes: fc.uint8Array({ maxLength: 8 }),
  bool: fc.boolean(),
};

/** Objects as a message's type allows, fields left out or null among them; of a oneof at most one. */
function contentOf(type: protobuf.Type, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const fields = type.fieldsArray.filter(({ partOf }) => partOf === null || partOf.isProto3Optional);
  const plain = fc.record(Object.fromEntries(fields.map((field) => [field.name, valuesOf(field, depth + 1)])), {
    requiredKeys: [],
  });
  return type.oneofsArray
    .filter((oneof) => !oneof.isProto3Optional)
    .reduce<fc.Arbitrary<Record<string, unknown>>>((whole, oneof) => {
      const choices = oneof.fieldsArray
        .filter(isShallow(depth))
        .map((field) => valuesOf(field, depth + 1).map((value) => ({ [field.name]: value })));
      return fc.tuple(whole, fc.oneof(...choices)).map(([left, right]) => ({ ...left, ...right }));
    }, plain);
}

/** Tables hold tables; beyond a depth only plain values. */
function isShallow(depth: number): (field: protobuf.Field) => boolean {
  return ({ resolvedType }) => depth < MAX_DEPTH || !(resolvedType instanceof protobuf.Type);
}

function valuesOf(field: protobuf.Field, depth = 0): fc.Arbitrary<unknown> {
  const { resolvedType } = field;
  let one = scalars[field.type];
  if (resolvedType instanceof protobuf.Type) one = contentOf(resolvedType, depth);
  // A number without a name is what an older node would meet.
  else if (resolvedType instanceof protobuf.Enum) one = fc.constantFrom(...Object.values(resolvedType.values), 99);
  if (one === undefined) throw new Error(`No values for ${field.type}`);
  if (field.repeated) return fc.array(one, { maxLength: 3 });
  return fc.option(one, { freq: 8 });
}

/** Frames of the kinds that a node sends. */
const answer = fc
  .constantFrom(...root.lookupType('duolog.client.v1.Frame').fieldsArray.filter(({ id }) => id >= 40))
  .chain((field) => fc.record({ id: fc.nat(), [field.name]: valuesOf(field) }));

describe('the table of answers', () => {
  it('is, with the table of requests, what proto/client.proto says', () => {
    const table: Record<string, object> = { ...requestSchema, ...answerSchema };
    for (const [name, fields] of Object.entries(table)) {
      const type = root.lookupType(`duolog.client.v1.${name}`);
      const declared = type.fieldsArray.filter(({ id }) => name !== 'Frame' || id === 1 || id >= 40);
      expect(Object.fromEntries(declared.map((field) => [field.name, declarationOf(field)])), name).toEqual(fields);
    }
    const types = root.lookup('duolog.client.v1');
    const names = types instanceof protobuf.Namespace ? types.nestedArray : [];
    expect(
      names
        .filter((entry) => entry instanceof protobuf.Type)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(table).sort());
  });
});

describe('the text form of answers', () => {
  it('is what the generated code makes of them', () => {
    fc.assert(
      fc.property(answer, (frame) => {
        // The arbitrary makes frames by the schema file, which this type comes from as well.
        const text = encodeText(frame as WireFrame);
        // The generated converter reads the fields of any object of this shape.
        const expected = Frame.toObject(frame as unknown as duolog.client.v1.Frame, {
          enums: String,
          longs: String,
          bytes: String,
        });
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
      { numRuns: 2000 },
    );
  });
});
