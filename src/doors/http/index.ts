/** The HTTP door: health, readiness and metrics. */
export { httpHandler } from './listener.js';
export type { NodeProbe } from './probe.js';
export {
  encodePrometheus,
  type Family,
  type HistogramSample,
  type Labels,
  PROMETHEUS_CONTENT_TYPE,
  type Sample,
} from './prometheus.js';
