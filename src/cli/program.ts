import type { Command } from 'commander';
import { createEmptyProgram, tieTo } from './command-line.js';
import { addBackup } from './commands/backup.js';
import { addBench } from './commands/bench.js';
import { addBinding } from './commands/binding.js';
import { addCompletion } from './commands/completion.js';
import { addConnection } from './commands/connection.js';
import { addContext } from './commands/context.js';
import { addDefinitions } from './commands/definitions.js';
import { addExchange } from './commands/exchange.js';
import { addLimit } from './commands/limit.js';
import { addPermission, addTopicPermission } from './commands/permission.js';
import { addPolicies } from './commands/policy.js';
import { addPublish } from './commands/publish.js';
import { addQueue } from './commands/queue.js';
import { addRoute } from './commands/route.js';
import { addStart } from './commands/start.js';
import { addStatus } from './commands/status.js';
import { addTopic } from './commands/topic.js';
import { addUser } from './commands/user.js';
import { addVhost } from './commands/vhost.js';
import type { Terminal } from './terminal.js';

/** The whole command line: every command with its options, ready to be parsed. Throws commander's errors instead of ending the process. */
export function createProgram(terminal: Terminal, version: string): Command {
  const program = createEmptyProgram(version);
  addStart(program, terminal, version);
  addTopic(program, terminal);
  addQueue(program, terminal);
  addExchange(program, terminal);
  addBinding(program, terminal);
  addRoute(program, terminal);
  addPublish(program, terminal);
  addStatus(program, terminal);
  addVhost(program, terminal);
  addUser(program, terminal);
  addPermission(program, terminal);
  addTopicPermission(program, terminal);
  addPolicies(program, terminal);
  addLimit(program, terminal);
  addConnection(program, terminal);
  addDefinitions(program, terminal);
  addBackup(program, terminal);
  addContext(program, terminal);
  addBench(program, terminal);
  addCompletion(program, terminal);
  return tieTo(program, terminal);
}
