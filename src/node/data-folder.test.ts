import { describe, expect, it } from 'vitest';
import { SimulatedDisk } from '../io/disk/simulated-disk.js';
import { DataFolder } from './data-folder.js';

describe('the data folder', () => {
  it('that is a file is refused in one plain sentence', () => {
    const disk = new SimulatedDisk({ directories: ['/home'] });
    disk.writeFileAtomic('/home/file', new Uint8Array(1));
    expect(() => DataFolder.open(disk, '/home/file')).toThrow(
      /^Cannot use the data folder \/home\/file: it is a file, or lies in one$/,
    );
    expect(() => DataFolder.open(disk, '/home/file/below')).toThrow(/: it is a file, or lies in one$/);
  });

  it('is made, locked, and counts its starts', () => {
    const disk = new SimulatedDisk({ directories: ['/home'] });
    const folder = DataFolder.open(disk, '/home/data');
    expect([folder.nextStart(), folder.nextStart()]).toEqual([1, 2]);
    expect(() => DataFolder.open(disk, '/home/data')).toThrow('Cannot use the data folder /home/data: ');
    folder.close();
    DataFolder.open(disk, '/home/data').close();
  });
});
