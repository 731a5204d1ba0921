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
/** A field of a table. */
export type WireField = duolog.client.v1.Field.$Properties;
/** The value of one. */
export type WireValue = duolog.client.v1.Value.$Properties;
/** What AMQP says about a message. */
export type WireProperties = duolog.client.v1.Properties.$Properties;
/** How a message was published. */
export type WireRouted = duolog.client.v1.Routed.$Properties;
/** One line of a dead letter's history. */
export type WireDeadLetter = duolog.client.v1.DeadLetter.$Properties;
/** A delivery of a queue. */
export type WireDelivery = duolog.client.v1.Delivery.$Properties;
/** What a queue of the RabbitMQ model is declared with. */
export type WireQueueModel = duolog.client.v1.QueueModel.$Properties;
/** An exchange. */
export type WireExchange = duolog.client.v1.Exchange.$Properties;
/** A binding. */
export type WireBinding = duolog.client.v1.Binding.$Properties;
/** A topic or queue described. */
export type WireDescription = duolog.client.v1.Description.$Properties;
/** The outcome of one publish. */
export type WireConfirm = duolog.client.v1.Confirm.$Properties;
