/** Short names for the shapes of the generated protocol. */
import type { duolog } from '../../proto/client.js';

/** A whole frame. */
export type WireFrame = duolog.client.v1.Frame.$Properties;
/** The content of a frame's one kind. */
export type WireKind<Kind extends keyof WireFrame> = NonNullable<WireFrame[Kind]>;
/** An answer, without its id. */
export type WireAnswer = Omit<WireFrame, 'id' | '$unknowns'>;
/** A message in a publish, a delivery or a decoded read. */
export type WireMessage = duolog.client.v1.Message.$Properties;
/** Records of one partition. */
export type WireRecords = duolog.client.v1.PartitionRecords.$Properties;
/** Where one partition stands. */
export type WireBounds = duolog.client.v1.PartitionBounds.$Properties;
/** A topic or queue described. */
export type WireDescription = duolog.client.v1.Description.$Properties;
/** The outcome of one publish. */
export type WireConfirm = duolog.client.v1.Confirm.$Properties;
