import { KEPT_ASSEMBLY_BYTES } from './limits.js';

/**
 * Room for what one answer gathers from several logs, kept from one answer to the next: memory taken anew for every megabyte costs more, in page
 * faults, than reading it.
 */
export class Assembly {
  private bytes = new Uint8Array(0);
  private used = 0;

  /** Copies `part` behind what was added before. The view is valid until `clear`. */
  add(part: Uint8Array): Uint8Array {
    if (this.used + part.length > this.bytes.length) {
      // Views of the smaller room stay as they are.
      this.bytes = new Uint8Array(Math.max(2 * this.bytes.length, part.length));
      this.used = 0;
    }
    this.bytes.set(part, this.used);
    const view = this.bytes.subarray(this.used, this.used + part.length);
    this.used += part.length;
    return view;
  }

  /** What was added is not needed any more. */
  clear(): void {
    this.used = 0;
    if (this.bytes.length > KEPT_ASSEMBLY_BYTES) this.bytes = new Uint8Array(0);
  }
}
