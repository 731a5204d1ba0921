import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from '../io/disk/simulated-disk.js';
import { DataFolder } from './data-folder.js';

describe('the data folder', () => {
  it('that is a file is refused in one plain sentence', () => {
    const disk = new SimulatedDisk({ directories: ['/there'] });
    disk.writeFileAtomic('/there/file', new Uint8Array(1));
    expect(() => DataFolder.open(disk, '/there/file')).toThrow(
      /^Cannot use the data folder \/there\/file: it is a file, or lies in one$/,
    );
    expect(() => DataFolder.open(disk, '/there/file/below')).toThrow(/: it is a file, or lies in one$/);
  });

  it('is made, locked, and counts its starts', () => {
    const disk = new SimulatedDisk({ directories: ['/there'] });
    const folder = DataFolder.open(disk, '/there/data');
    expect([folder.nextStart(), folder.nextStart()]).toEqual([1, 2]);
    expect(() => DataFolder.open(disk, '/there/data')).toThrow('Cannot use the data folder /there/data: ');
    folder.close();
    DataFolder.open(disk, '/there/data').close();
  });
});
