import { abortError, ClientError } from './errors.js';
import type { Participant, Session } from './session.js';

/**
 * What subscriptions of every kind have in common: whoever asked for one waits until the node has agreed for the first time, and the caller's signal
 * ends it, before that as well as later.
 */
export class Opening {
  private readonly signal: AbortSignal | undefined;
  private readonly end: () => void;
  private waiting: { resolve: () => void; reject: (error: ClientError) => void } | undefined;

  /** `close` ends the subscription when the signal fires. */
  constructor(signal: AbortSignal | undefined, close: () => Promise<void>) {
    this.signal = signal;
    this.end = () => void close();
  }

  /** Brings a subscription to the node; resolves with it once the node has agreed. @throws ClientError as rejection. */
  start<Subscribing extends Participant>(session: Session, participant: Subscribing): Promise<Subscribing> {
    const { signal } = this;
    if (signal?.aborted) return Promise.reject(abortError(signal));
    return new Promise((resolve, reject) => {
      this.waiting = { resolve: () => resolve(participant), reject };
      session.join(participant);
      signal?.addEventListener('abort', this.end);
    });
  }

  /** Follows the request of one connection; `refused` hears why the node does not want the subscription. */
  follow(answer: Promise<unknown>, refused: (error: ClientError) => void): void {
    answer.then(
      () => {
        this.waiting?.resolve();
        this.waiting = undefined;
      },
      (error: ClientError) => {
        // Without a connection there is no answer; the next connection asks again.
        if (error.code !== 'connection-lost') refused(error);
      },
    );
  }

  /** The subscription has ended, with an error or because somebody closed it: nobody waits any longer. */
  over(error?: ClientError): void {
    const { signal } = this;
    signal?.removeEventListener('abort', this.end);
    const why = signal?.aborted ? abortError(signal) : new ClientError('closed', 'The client was closed');
    this.waiting?.reject(error ?? why);
    this.waiting = undefined;
  }
}
