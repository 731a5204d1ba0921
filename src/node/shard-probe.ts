import type { NodeProbe } from '../doors/http/index.js';
import type { ControlRequests } from './control-requests.js';

/** How the whole node is, as the control thread says. */
export interface Readiness {
  readonly ready: boolean;
  /** If not ready: why, in words. */
  readonly reasons: readonly string[];
}

/** What a shard's HTTP door may ask: readiness was told before, metrics come from the control thread. */
export function shardProbe(control: ControlRequests, readiness: () => Readiness): NodeProbe {
  return {
    ready: readiness,
    // A shard that answers at all is alive; one that dies takes the process with it.
    health: () => ({ healthy: true, reasons: [] }),
    // The control thread answers a metrics request with Prometheus' text (metrics.ts).
    metrics: () => control.ask({ kind: 'metrics' }) as Promise<string>,
  };
}
