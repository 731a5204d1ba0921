/** What the fuzzer allows the node, and itself. */

/** Most memory that the node's process may ever have resident, in bytes. The rings' shared memory (256 MiB at most) counts in full. */
export const MAX_RSS_BYTES = 600 * 1024 * 1024;
/** A frame without an answer, and a Ping without a Pong, for so long is silence, in milliseconds. */
export const SILENCE_MS = 20_000;
/** A TCP connection that sends too little or nonsense must be closed within this time, in milliseconds: engines look every few seconds. */
export const CUT_MS = 45_000;
/** How often memory is looked at, in milliseconds. */
export const SAMPLE_MS = 200;
/** Time for an orderly stop, in milliseconds. */
export const STOP_MS = 30_000;
/** Frames of one job, which has a connection of its own. */
export const FRAMES_PER_JOB = 64;
/** Jobs at a time. */
export const PARALLEL_JOBS = 12;
/** One job in so many sends frames of many megabytes. */
export const HUGE_JOB_EVERY = 150;
/** One job in so many speaks broken WebSocket or HTTP over bare TCP. */
export const RAW_JOB_EVERY = 12;
/** Connections that are left hanging at a time, to see them cut. */
export const MAX_HANGING = 300;
/** Messages per second of the good client, to its topic and to its queue. */
export const GOOD_RATE = 100;
/** As above, of the AMQP door's good client. */
export const AMQP_GOOD_RATE = 200;
/** By how much the good client's p99 may grow while the node is attacked. */
export const MAX_LATENCY_RATIO = 2;
/** A p99 below this, in milliseconds, counts as this: what is less is the scheduler's. */
export const LATENCY_FLOOR_MS = 5;
/** p99 is taken of slices of this length, and the slices' median counts: one hiccup of the machine is none of the node's. In milliseconds. */
export const SLICE_MS = 2_000;
/** Slices in which the good client is alone, before each campaign. */
export const CALM_SLICES = 3;
/** How long a campaign lasts that has no end of its own, in milliseconds. */
export const CAMPAIGN_MS = 10_000;
/** Connections of a campaign that is over must have gone within this time, in milliseconds. */
export const GONE_MS = 25_000;
/** Frames a second of the AMQP campaign of random frames: what the machine can do without the good client having to wait for its turn. */
export const RANDOM_FRAMES_PER_SECOND = 5_000;
/** When others have more of the machine than this share, the good client's times say nothing about the node. */
export const MAX_OTHERS_SHARE = 0.15;
/** How often a campaign is carried out until its times are as they should be. */
export const MAX_TRIES = 3;
