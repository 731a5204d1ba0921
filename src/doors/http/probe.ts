/** What the HTTP door asks of the node. */
export interface NodeProbe {
  /** Whether every open door serves; if not, why, in words. */
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] };
  /** Whether the process is worth keeping alive; if not, why, in words. */
  health(): { readonly healthy: boolean; readonly reasons: readonly string[] };
  /** All metrics in the text format of `prometheus.ts`. */
  metrics(): Promise<string>;
}
