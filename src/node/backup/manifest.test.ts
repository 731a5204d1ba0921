import { describe, expect, it } from 'vitest';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.js';

const manifest: Manifest = {
  facts: { node: 'end of n', version: '1', takenAt: '2026-01-01T00:00:00.000Z', metadataVersion: 3, logs: 1 },
  files: [
    { path: 'starts', size: 2, crc: 0xffff_ffff },
    { path: 'logs/7/checkpoint', size: 0, crc: 0 },
    { path: 'logs/7/00000000000000000000.log', size: 12, crc: 5 },
  ],
};

describe('the manifest of a backup', () => {
  it('comes back as it was', () => {
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
  });

  it('is refused when a byte differs, or it is cut anywhere', () => {
    const bytes = encodeManifest(manifest);
    for (let at = 0; at < bytes.length; at++) {
      const other = bytes.slice();
      other[at] = other[at]! ^ 1;
      expect(() => decodeManifest(other), `byte ${at}`).toThrow('damaged');
      expect(() => decodeManifest(bytes.subarray(0, at)), `cut at ${at}`).toThrow('damaged');
    }
  });

  it('leads to no file outside of a data folder', () => {
    for (const path of [
      '../x',
      '/etc/passwd',
      'logs/../../x',
      'node.json',
      'logs/7/../8/checkpoint',
      'logs/x/checkpoint',
    ]) {
      const bytes = encodeManifest({ ...manifest, files: [{ path, size: 1, crc: 1 }] });
      expect(() => decodeManifest(bytes), path).toThrow('has the line');
    }
  });
});
