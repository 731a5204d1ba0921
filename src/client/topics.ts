import { ClientError } from './errors.js';
import { TOPIC_MAX_AGE_MS } from './limits.js';
import type { Session } from './session.js';

interface Known {
  readonly partitions: number;
  readonly askedMs: number;
}

/** How many partitions topics and queues have, as far as it was asked: every producer and reader needs it. */
export class Topics {
  private readonly session: Session;
  private readonly known = new Map<string, Known>();
  private readonly asked = new Map<string, Promise<number>>();

  constructor(session: Session) {
    this.session = session;
  }

  /** The number of partitions if it was asked lately. */
  knownPartitions(name: string): number | undefined {
    const known = this.known.get(name);
    return known !== undefined && Date.now() - known.askedMs < TOPIC_MAX_AGE_MS ? known.partitions : undefined;
  }

  /** The number of partitions. @throws ClientError as rejection, `not-found` among others. */
  partitions(name: string): Promise<number> {
    const known = this.knownPartitions(name);
    if (known !== undefined) return Promise.resolve(known);
    let asked = this.asked.get(name);
    if (asked === undefined) {
      asked = this.ask(name).finally(() => this.asked.delete(name));
      this.asked.set(name, asked);
    }
    return asked;
  }

  private async ask(name: string): Promise<number> {
    const description = await this.session.requests.request({ describe: { name } }, 'description', { resend: true });
    const partitions = description.partitions?.length ?? 0;
    if (partitions === 0) throw new ClientError('protocol', `The node described "${name}" without partitions`);
    this.known.set(name, { partitions, askedMs: Date.now() });
    return partitions;
  }

  /** Something has changed: ask again next time. */
  forget(name: string): void {
    this.known.delete(name);
  }
}
