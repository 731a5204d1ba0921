import type { BrokerName, RunningBroker } from './broker.js';
import { startDuolog } from './duolog.js';
import { startRabbitMq } from './rabbitmq.js';

/** How a broker is to be started. */
export interface BrokerOptions {
  /** Take the broker that listens on this port already, instead of a new one. */
  readonly runningPort?: number | undefined;
  /** Shards of a Duolog node; its own default if not given. */
  readonly shards?: number | undefined;
}

/** Starts a broker on free ports of 127.0.0.1 with folders of its own, which are removed when it stops. */
export function startBroker(name: BrokerName, options: BrokerOptions = {}): Promise<RunningBroker> {
  if (options.runningPort !== undefined) return Promise.resolve(running(name, options.runningPort));
  return name === 'rabbitmq' ? startRabbitMq() : startDuolog(options.shards);
}

function running(name: BrokerName, amqpPort: number): RunningBroker {
  const nothing = () => Promise.resolve();
  return {
    name,
    host: '127.0.0.1',
    amqpPort,
    webPort: undefined,
    pagePort: undefined,
    complaints: () => [],
    stop: nothing,
  };
}
