import { DEFAULT_VHOST } from '../../broker/model.js';
import type { AnyPublish, Command } from './commands.js';

/** Waits for declarations of queues and exchanges, and for bindings: they change where a routed message goes. No topic is called so. */
export const ROUTES_KEY = '#routes';

/** The gate's key of a topic or queue. */
export function topicKey(name: string, vhost: string): string {
  return vhost === DEFAULT_VHOST ? name : `${vhost}\0${name}`;
}

/**
 * What a command depends on, in the order gate's terms: the topic or queue that it names, and the subscription (`#` and its number, which no
 * topic is called). A command waits while one of them is being changed.
 */
export function orderKeys(command: Command): readonly string[] {
  switch (command.kind) {
    case 'subscribe-queue':
    case 'subscribe-topic':
    case 'subscribe-broadcast':
      return [topicKey(command.from, command.vhost), `#${command.subscription}`];
    case 'unsubscribe':
    case 'credit':
    case 'settle':
    case 'seek':
      return [`#${command.subscription}`];
    case 'publish':
      return [topicKey(command.to, command.vhost)];
    case 'fetch':
    case 'list-offsets':
    case 'commit-offsets':
    case 'fetch-offsets':
      return [topicKey(command.from, command.vhost)];
    case 'declare':
      return [topicKey(command.declaration.name, command.declaration.vhost), ROUTES_KEY];
    case 'delete':
      return [topicKey(command.name, command.vhost), ROUTES_KEY];
    case 'transact':
      return [ROUTES_KEY, ...new Set(command.settles.map(({ subscription }) => `#${subscription}`))];
    case 'describe':
    case 'purge':
    case 'list-unacked':
      return [topicKey(command.name, command.vhost)];
    case 'get':
      return [topicKey(command.from, command.vhost), `#${command.subscription}`];
    case 'publish-routed':
    case 'declare-exchange':
    case 'delete-exchange':
    case 'bind':
    case 'unbind':
    case 'list-exchanges':
    case 'list-bindings':
    case 'explain-route':
    case 'count-delayed':
    case 'cancel-delayed':
      return [ROUTES_KEY];
    default:
      return [];
  }
}

/** What a publish waits for while it is being changed. */
export function publishKey(command: AnyPublish): string {
  return command.kind === 'publish' ? topicKey(command.to, command.vhost) : ROUTES_KEY;
}
