/** What bounds the figures that the management API shows. Times in milliseconds. */

/** Between two samples of counters, from which rates are computed; as in RabbitMQ. */
export const SAMPLE_MS = 5_000;
/** Samples are taken as long as somebody has asked within this time. */
export const WATCHED_MS = 60_000;
/** Things that have rates: queues, exchanges, virtual hosts, connections. Others show 0. */
export const SAMPLED_MAX = 30_000;
/** Figures are collected anew for each question unless that takes longer than this: then they are used for ten times as long as it took. */
export const FRESH_COLLECTION_MS = 20;
export const COLLECTION_SHARE = 10;
