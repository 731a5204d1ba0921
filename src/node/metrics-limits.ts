/** What bounds a scrape: with a hundred thousand queues a monitor could neither fetch nor keep a series for each. */

/** Partitions of topics and queues that have series of their own: those with the lowest log ids, which are the oldest durable ones. */
export const LABELLED_PARTITIONS_MAX = 1_000;
/** Exchanges that have series of their own, by name. */
export const LABELLED_EXCHANGES_MAX = 500;
/** AMQP channels that have series of their own: those with the most messages under way at the moment of the scrape. */
export const LABELLED_CHANNELS_MAX = 50;
/** Queues whose oldest message a shard reads for one report, where it has not seen that message before: each look may read a piece of a file. */
export const OLDEST_LOOKS_MAX = 50;
