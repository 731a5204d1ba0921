/** The AMQP 0-9-1 door. See docs/protocols/amqp.md. */
export { addTotals, busiestOf, type ChannelReport, type ChannelReports, type ChannelTotals } from './channel-report.js';
export type { AmqpPorts } from './context.js';
export type { AmqpCounters } from './counters.js';
export type { DirectReplyPort } from './direct-reply.js';
export type { AmqpChannelFacts, AmqpConnectionFacts, AmqpConsumerFacts, InspectionDepth } from './inspection.js';
export { type AmqpLimits, amqpLimits } from './limits.js';
export { AmqpDoor } from './listener.js';
export type { AmqpSocket } from './outbox.js';
export type { AmqpConnection } from './session.js';
export type { AmqpTransaction, TransactionPort, TransactionPublish, TransactionSettle } from './transaction-port.js';
export { AMQP_PATH, amqpRoute } from './websocket.js';
