/** What is asked for, and what is answered. */

/** What an administrator asks for. */
export interface BackupRequest {
  /** The folder's name below `--backup-dir`. */
  readonly name: string;
}

/** What a backup came to. */
export interface BackupOutcome {
  readonly folder: string;
  readonly takenAt: string;
  readonly logs: number;
  readonly files: number;
  readonly bytes: number;
  /** How long confirms waited. */
  readonly heldMs: number;
  readonly durationMs: number;
}
