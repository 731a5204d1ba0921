// Roles: a module that runs in a process of its own and answers questions, so that its CPU time is its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { adopt } from './cleanup.mjs';

/** A process that was started by `startRole`. */
class RoleProcess {
  #child;
  #waiting = new Map();
  #next = 1;

  constructor(child) {
    this.#child = child;
    child.on('message', ({ id, result, error }) => this.#settle(id, result, error));
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`The process ended: ${signal ?? code}`));
      this.#waiting.clear();
    });
  }

  get pid() {
    return this.#child.pid;
  }

  #settle(id, result, error) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }

  /** Calls the role's function `name` over there. */
  call(name, parameters = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, parameters });
    });
  }

  /** Ends the process. */
  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/** Runs the module at `url`, which calls `serveRole`, in a process of its own. */
export function startRole(url) {
  return new RoleProcess(
    adopt(fork(url, [], { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })),
  );
}

/** Makes this process a role with the given functions. Each gets its parameters and returns what is sent back. */
export function serveRole(functions) {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, name, parameters }) => {
    try {
      process.send({ id, result: await functions[name](parameters) });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
}
