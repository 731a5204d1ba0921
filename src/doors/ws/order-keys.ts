import type { Command } from './commands.js';

/**
 * What a command depends on, in the order gate's terms: the topic or queue that it names, and the subscription (`#` and its number, which no
 * topic is called). A command waits while one of them is being changed.
 */
export function orderKeys(command: Command): readonly string[] {
  switch (command.kind) {
    case 'subscribe-queue':
    case 'subscribe-topic':
    case 'subscribe-broadcast':
      return [command.from, `#${command.subscription}`];
    case 'unsubscribe':
    case 'credit':
    case 'settle':
    case 'seek':
      return [`#${command.subscription}`];
    case 'publish':
      return [command.to];
    case 'fetch':
    case 'list-offsets':
    case 'commit-offsets':
    case 'fetch-offsets':
      return [command.from];
    case 'declare':
      return [command.declaration.name];
    case 'describe':
    case 'delete':
    case 'purge':
      return [command.name];
    default:
      return [];
  }
}
