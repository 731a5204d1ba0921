import { formatCount, formatDuration } from './quantities.js';
import { shorten } from './table.js';
import type { TerminalStream } from './terminal.js';

/** How often the line is drawn anew, in milliseconds: often enough to look alive, seldom enough to cost nothing. */
const REDRAW_MS = 200;

/** One line on stderr that says how far a long command is. */
export interface Progress {
  /** So many are done. */
  update(done: number): void;
  /** Takes the line away, so that what follows stands alone. */
  clear(): void;
}

/** A progress line that is not there. */
export const noProgress: Progress = { update: () => undefined, clear: () => undefined };

/** What the line is about: `verb` as in "Published", `total` where it is known. */
export interface ProgressSubject {
  readonly verb: string;
  readonly total?: number | undefined;
}

/** A progress line that redraws itself in place on `stream`. `now` gives milliseconds. */
export function drawProgress(
  stream: TerminalStream,
  subject: ProgressSubject,
  now = () => performance.now(),
): Progress {
  const startedMs = now();
  let drawnMs = startedMs;
  let isVisible = false;
  return {
    update(done) {
      const nowMs = now();
      if (nowMs - drawnMs < REDRAW_MS) return;
      drawnMs = nowMs;
      isVisible = true;
      const line = shorten(progressLine(subject, done, nowMs - startedMs), (stream.columns || 80) - 1);
      stream.write(`\r${line}\u001b[K`);
    },
    clear() {
      if (isVisible) stream.write('\r\u001b[K');
      isVisible = false;
    },
  };
}

/** The text of the line. */
export function progressLine({ verb, total }: ProgressSubject, done: number, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (done / elapsedMs) * 1000 : 0;
  const speed = `${formatCount(rate)}/s`;
  if (total === undefined || total <= 0) return `${verb} ${formatCount(done)} · ${speed}`;
  const share = Math.min(1, done / total);
  const filled = Math.round(share * 20);
  const bar = '█'.repeat(filled) + '░'.repeat(20 - filled);
  const left = rate > 0 && done < total ? ` · ${formatDuration(((total - done) / rate) * 1000)} left` : '';
  return `${verb} ${bar} ${Math.floor(share * 100)}% · ${formatCount(done)} of ${formatCount(total)} · ${speed}${left}`;
}
