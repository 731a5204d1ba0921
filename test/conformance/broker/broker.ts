/** A broker under test, in processes of its own. */
export interface RunningBroker {
  readonly name: BrokerName;
  readonly host: string;
  /** Where AMQP clients connect. */
  readonly amqpPort: number;
  /** Where the native protocol and AMQP over WebSocket are; RabbitMQ has neither. */
  readonly webPort: number | undefined;
  /** A port from which pages may be served that talk to `webPort`. */
  readonly pagePort: number | undefined;
  /** What it complained about while it ran. */
  complaints(): readonly string[];
  stop(): Promise<void>;
}

/** The brokers that the programs of this folder know how to start. */
export type BrokerName = 'rabbitmq' | 'duolog';

/** Reads a broker's name from the command line. @throws on others. */
export function brokerName(text: string): BrokerName {
  if (text === 'rabbitmq' || text === 'duolog') return text;
  throw new Error(`--broker is ${text}: it must be rabbitmq or duolog`);
}
