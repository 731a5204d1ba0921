// Nanoseconds of CPU per record for building, verifying and iterating batches, and CRC32C by size. Runs on what `npm run build` made:
//
//     node loadtest/micro/record.mjs [ROUNDS]
//
// Every figure is the median of ROUNDS (default 9) rounds after two rounds to warm up.
const dist = process.env.DUOLOG_DIST ?? new URL('../../dist/', import.meta.url).href;
/** Imports a built file: found at run time, so that nothing here depends on a build. */
const built = (path) => import(new URL(path, dist).href);

const { crc32c, crc32cPortable } = await built('base/crc32c.js');
const { installCodecs } = await built('io/codecs/install.js');
const { installNativeCrc32c } = await built('io/native-crc.js');
const { BatchBuilder } = await built('record/batch-builder.js');
const { CODEC_NAMES, setCodec } = await built('record/codec.js');
const { RecordCursor } = await built('record/record-reader.js');
const { verifyBatch } = await built('record/verify.js');

const rounds = Number(process.argv[2] ?? 9);
const now = 1_700_000_000_000;
let sink = 0;

const report = (reason) => console.error(reason);
console.log(`Node ${process.version}, native CRC32C: ${installNativeCrc32c(report)}`);
await installCodecs(setCodec, report);

/** Runs `work`, which does `operations` operations, and returns the median CPU time of one in nanoseconds: a busy machine disturbs it less. */
function measure(operations, work) {
  const times = [];
  for (let round = -2; round < rounds; round++) {
    const started = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(started);
    const elapsed = ((user + system) * 1000) / operations;
    if (round >= 0) times.push(elapsed);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function print(name, nanoseconds, unit) {
  console.log(`${name.padEnd(58)} ${nanoseconds.toFixed(1).padStart(9)} ns/${unit}`);
}

/** Payload that compresses like JSON does. */
function makeValue(bytes) {
  const text = '{"sensor": 17, "reading": 20.531, "unit": "celsius", "site": "north"}, ';
  return new TextEncoder().encode(text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes));
}

function buildBatch(builder, count, key, value, headers, options) {
  builder.start(options);
  for (let index = 0; index < count; index++) builder.append(key, value, now + index, headers);
  return builder.finish();
}

for (const [valueBytes, count] of [
  [12, 100],
  [100, 1],
  [100, 10],
  [100, 100],
  [1024, 100],
]) {
  const builder = new BatchBuilder();
  const cursor = new RecordCursor();
  const value = makeValue(valueBytes);
  const key = makeValue(8);
  const repeats = Math.ceil(200_000 / count);
  const label = `${valueBytes} B × ${count}`;
  for (const [kind, headers] of [
    ['no headers', undefined],
    [
      '2 headers',
      [
        ['content-type', makeValue(16)],
        ['trace', makeValue(16)],
      ],
    ],
  ]) {
    if (headers !== undefined && (valueBytes !== 100 || count !== 100)) continue;
    const batch = buildBatch(builder, count, key, value, headers).slice();
    print(
      `build, ${label}, 8 B key, ${kind}`,
      measure(repeats * count, () => {
        for (let repeat = 0; repeat < repeats; repeat++) sink ^= buildBatch(builder, count, key, value, headers).length;
      }),
      'record',
    );
    print(
      `verify, ${label}, ${kind}`,
      measure(repeats * count, () => {
        for (let repeat = 0; repeat < repeats; repeat++) sink ^= verifyBatch(batch, 0, batch.length).length;
      }),
      'record',
    );
    print(
      `iterate, ${label}, ${kind}`,
      measure(repeats * count, () => {
        for (let repeat = 0; repeat < repeats; repeat++) {
          cursor.open(batch, 0);
          while (cursor.next()) sink ^= cursor.valueEnd;
        }
      }),
      'record',
    );
    print(
      `iterate with toRecord, ${label}, ${kind}`,
      measure(repeats * count, () => {
        for (let repeat = 0; repeat < repeats; repeat++) {
          cursor.open(batch, 0);
          while (cursor.next()) sink ^= cursor.toRecord().offset;
        }
      }),
      'record',
    );
  }
}

for (let codec = 1; codec < CODEC_NAMES.length; codec++) {
  const builder = new BatchBuilder();
  const cursor = new RecordCursor();
  const value = makeValue(100);
  const batch = buildBatch(builder, 100, null, value, undefined, { codec }).slice();
  print(
    `build, 100 B × 100, ${CODEC_NAMES[codec]} (${batch.length} B)`,
    measure(20_000, () => {
      for (let repeat = 0; repeat < 200; repeat++)
        sink ^= buildBatch(builder, 100, null, value, undefined, { codec }).length;
    }),
    'record',
  );
  print(
    `iterate, 100 B × 100, ${CODEC_NAMES[codec]}`,
    measure(20_000, () => {
      for (let repeat = 0; repeat < 200; repeat++) {
        cursor.open(batch, 0);
        while (cursor.next()) sink ^= cursor.valueEnd;
      }
    }),
    'record',
  );
}

for (const bytes of [16, 64, 256, 320, 400, 1024, 16_384]) {
  const input = makeValue(bytes + 64);
  const repeats = Math.ceil(2e7 / (bytes + 200));
  for (const [name, sum] of [
    ['tables', crc32cPortable],
    ['tables or native', crc32c],
  ]) {
    print(
      `CRC32C of ${bytes} B, ${name}`,
      measure(repeats, () => {
        for (let repeat = 0; repeat < repeats; repeat++) sink ^= sum(input, repeat & 63, (repeat & 63) + bytes);
      }),
      'call',
    );
  }
}
if (sink === 0.5) console.log(sink);
