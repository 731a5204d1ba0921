import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SeededRandom } from '../../io/random/seeded-random.js';
import { AREAS_AT } from './format.js';
import { Journal } from './journal.js';
import { replayJournal } from './reader.js';

const AREA_BYTES = 4096;
const tenant = { logId: 3, leaderEpoch: 2, checkpointedSequence: 0 };

async function written(count: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ directories: ['/data/journals'] });
  const journal = Journal.create(disk, '/data', 1, AREA_BYTES, new SeededRandom(1));
  for (let index = 1; index <= count; index++) {
    journal.appendChange(tenant, index, new Uint8Array(20).fill(index));
    journal.write();
    await journal.sync();
  }
  return disk;
}

function replayed(disk: SimulatedDisk): { sequences: number[]; corruption: string | undefined } {
  const sequences: number[] = [];
  const { corruption } = replayJournal(disk, '/data', 1, (record) => sequences.push(record.sequence));
  return { sequences, corruption };
}

function flip(disk: SimulatedDisk, at: number): void {
  const file = disk.open('/data/journals/1.journal', 'write');
  const byte = new Uint8Array(1);
  file.read(byte, at);
  byte[0] = byte[0]! ^ 1;
  file.write(byte, at);
  file.close();
}

describe('a journal', () => {
  it('is replayed in order, over both areas', async () => {
    const disk = await written(80);
    expect(replayed(disk)).toEqual({
      sequences: Array.from({ length: 80 }, (_, index) => index + 1),
      corruption: undefined,
    });
  });

  it('reports a flipped bit in any synced record but the last, and replays the others', async () => {
    const recordBytes = 52 + 28;
    for (let at = 0; at < recordBytes; at++) {
      const disk = await written(10);
      flip(disk, AREAS_AT + 4 * recordBytes + at);
      const { sequences, corruption } = replayed(disk);
      expect(corruption, `byte ${at}`).toContain('lacks the records from 5 to 5');
      expect(sequences).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 10]);
    }
  });

  it('ends before a record that was torn at any byte', async () => {
    const disk = new SimulatedDisk({ directories: ['/data/journals'] });
    const journal = Journal.create(disk, '/data', 1, AREA_BYTES, new SeededRandom(1));
    for (let index = 1; index <= 3; index++) journal.appendChange(tenant, index, new Uint8Array(20).fill(index));
    journal.write();
    const whole = disk.readFile('/data/journals/1.journal');
    const lastAt = AREAS_AT + 2 * (52 + 28);
    for (let cut = 0; cut < 52 + 28; cut++) {
      const torn = whole.slice();
      torn.fill(0, lastAt + cut);
      disk.writeFileAtomic('/data/journals/1.journal', torn);
      expect(replayed(disk), `byte ${cut}`).toEqual({ sequences: [1, 2], corruption: undefined });
    }
  });

  it('is not fooled by what looks like a record of another journal', async () => {
    const disk = await written(3);
    const other = new SimulatedDisk({ directories: ['/data/journals'] });
    const forged = Journal.create(other, '/data', 1, AREA_BYTES, new SeededRandom(2));
    for (let index = 1; index <= 4; index++) forged.appendChange(tenant, index, new Uint8Array(20));
    forged.write();
    const bytes = other.readFile('/data/journals/1.journal').subarray(AREAS_AT, AREAS_AT + 4 * 80);
    const file = disk.open('/data/journals/1.journal', 'write');
    file.write(bytes.subarray(3 * 80), AREAS_AT + 3 * 80);
    file.close();
    expect(replayed(disk).sequences).toEqual([1, 2, 3]);
  });
});
