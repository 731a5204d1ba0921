import { ManagementError } from './errors.js';

/** Bounds what request bodies take together while they are read. */
export class BodyRoom {
  private readonly mostBytes: number;
  private takenBytes = 0;

  constructor(mostBytes: number) {
    this.mostBytes = mostBytes;
  }

  /** Takes room; the function that it returns gives it back. @throws ManagementError `unavailable` */
  enter(bytes: number): () => void {
    if (this.takenBytes + bytes > this.mostBytes) {
      throw new ManagementError('unavailable', 'Too many requests with bodies at the same time');
    }
    this.takenBytes += bytes;
    return () => {
      this.takenBytes -= bytes;
    };
  }
}
