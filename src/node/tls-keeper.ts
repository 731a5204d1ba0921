/**
 * The node's certificates: read at the start, and again when their files change or somebody says so. What cannot be used is logged, and the
 * certificates before go on.
 */
import { CodedError } from '../base/errors.js';
import { expiryWarnings, loadTlsMaterial, tlsFilesSignature } from '../io/tls/material.js';
import type { TlsFiles, TlsMaterial } from '../io/tls/port.js';
import type { NodeLog } from './log.js';

/**
 * How often the files are looked at. By their state rather than by the system's notices, which do not see the links that secrets are mounted with, nor
 * network disks.
 */
const CHECK_MS = 2_000;

/** See the top of this file. */
export class TlsKeeper {
  /** What listeners use now. */
  material: TlsMaterial;
  private readonly files: TlsFiles;
  private readonly log: NodeLog;
  private readonly changed: (material: TlsMaterial) => void;
  private readonly nowMs: () => number;
  /** State of the files when they were read last, and when they were looked at last. */
  private readSignature: string;
  private seenSignature: string;
  private timer: NodeJS.Timeout | undefined;

  /** Reads the files. `changed` hears of new material, never of the first. @throws TlsError */
  constructor(files: TlsFiles, log: NodeLog, nowMs: () => number, changed: (material: TlsMaterial) => void) {
    this.files = files;
    this.log = log;
    this.nowMs = nowMs;
    this.changed = changed;
    this.readSignature = tlsFilesSignature(files);
    this.seenSignature = this.readSignature;
    this.material = loadTlsMaterial(files);
    this.warn();
  }

  /** Looks at the files from now on. */
  start(): void {
    this.timer = setInterval(() => this.check(), CHECK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Reads the files if they have changed since they were read and rest now: somebody may be writing one after the other. */
  check(): void {
    const signature = tlsFilesSignature(this.files);
    const rests = signature === this.seenSignature;
    this.seenSignature = signature;
    if (rests && signature !== this.readSignature) this.reload();
  }

  /** Reads the files whatever they are. */
  reload(): void {
    this.readSignature = tlsFilesSignature(this.files);
    try {
      this.material = loadTlsMaterial(this.files);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.log.error({ code: error.code }, `${error.message}. The certificates before stay in use`);
      return;
    }
    const until = this.material.certificates.map(({ notAfterMs }) => new Date(notAfterMs).toISOString());
    this.log.info({ validUntil: until }, 'New certificates are in use for new connections');
    this.warn();
    this.changed(this.material);
  }

  private warn(): void {
    for (const warning of expiryWarnings(this.material, this.nowMs())) this.log.warn({}, warning);
  }
}
