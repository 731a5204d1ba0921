// Carries out the stages of a Dockerfile in folders instead of containers: /app of a stage is FOLDER/app.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { execForm, isIgnored } from './dockerfile.mjs';

/**
 * What became of a stage: its folder, working directory and environment, and how to start it and ask after its health.
 * @typedef {{
 *   name: string, folder: string, workingDirectory: string, env: Record<string, string>, user: string,
 *   entrypoint: string[], command: string[], healthcheck: string[], skipped: string[],
 * }} Stage
 */

/** A command that names a place outside the working directory cannot run in a folder that only plays the image. */
const touchesTheImage = /(^|[\s=])\/\w/;

/** @param {string} source @param {string} target */
const intoFolder = (source, target) => (/(^\.?|\/)$/.test(target) ? join(target, basename(source)) : target);

/**
 * @param {Stage} stage
 * @param {string} path
 */
const inStage = (stage, path) =>
  path.startsWith('/') ? join(stage.folder, path) : join(stage.folder, stage.workingDirectory, path);

/**
 * @param {Stage} stage
 * @param {string} rest
 * @param {{ context: string, ignoreText: string, stages: Map<string, Stage> }} world
 */
function copy(stage, rest, { context, ignoreText, stages }) {
  const words = rest.split(/\s+/);
  const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1];
  const paths = words.filter((word) => !word.startsWith('--'));
  const target = paths.at(-1) ?? '.';
  const origin = from === undefined ? undefined : stages.get(from);
  if (from !== undefined && origin === undefined) throw new Error(`COPY ${rest}: there is no stage ${from}`);
  for (const source of paths.slice(0, -1)) {
    const full = origin === undefined ? join(context, source) : join(origin.folder, source);
    /** @param {string} path */
    const leftOut = (path) =>
      origin === undefined && isIgnored(ignoreText, relative(context, path).split(sep).join('/'));
    if (!existsSync(full) || leftOut(full)) throw new Error(`COPY ${rest}: ${source} is not in the build context`);
    const to = inStage(stage, statSync(full).isDirectory() ? target : intoFolder(source, target));
    mkdirSync(join(to, '..'), { recursive: true });
    cpSync(full, to, { recursive: true, verbatimSymlinks: true, filter: (path) => !leftOut(path) });
  }
}

/**
 * @param {Stage} stage
 * @param {string} command
 */
function runCommand(stage, command) {
  if (touchesTheImage.test(command)) {
    stage.skipped.push(command);
    return;
  }
  console.log(`[${stage.name}] ${command}`);
  const { status } = spawnSync('sh', ['-c', command], {
    cwd: inStage(stage, '.'),
    env: { ...process.env, ...stage.env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error(`[${stage.name}] RUN ${command}: exit code ${status}`);
}

/**
 * @param {string} folder
 * @param {string} rest of a FROM instruction
 * @param {number} index
 * @returns {Stage}
 */
function openStage(folder, rest, index) {
  const name = /\sAS\s+(\S+)$/.exec(rest)?.[1] ?? `stage${index}`;
  const stage = { name, folder: join(folder, name), workingDirectory: '/', env: {}, user: 'root' };
  mkdirSync(stage.folder, { recursive: true });
  return { ...stage, entrypoint: [], command: [], healthcheck: [], skipped: [] };
}

/**
 * @param {Stage} stage
 * @param {import('./dockerfile.mjs').Instruction} instruction
 * @param {{ context: string, ignoreText: string, stages: Map<string, Stage> }} world
 */
function carryOut(stage, { keyword, rest }, world) {
  if (keyword === 'COPY') copy(stage, rest, world);
  else if (keyword === 'RUN') runCommand(stage, rest);
  else if (keyword === 'WORKDIR') {
    stage.workingDirectory = rest;
    mkdirSync(inStage(stage, '.'), { recursive: true });
  } else if (keyword === 'ENV') {
    const [name = '', ...value] = rest.split('=');
    stage.env[name] = value.join('=');
  } else if (keyword === 'USER') stage.user = rest;
  else if (keyword === 'ENTRYPOINT') stage.entrypoint = execForm(rest);
  else if (keyword === 'CMD') stage.command = execForm(rest);
  else if (keyword === 'HEALTHCHECK') stage.healthcheck = execForm(rest.slice(rest.indexOf('CMD ') + 4));
  else if (keyword === 'VOLUME') mkdirSync(inStage(stage, rest), { recursive: true });
  else if (keyword !== 'EXPOSE') throw new Error(`Cannot carry out ${keyword} ${rest}`);
}

/**
 * Carries out all stages below `folder` and returns the last one. Throws when a step fails.
 * @param {import('./dockerfile.mjs').Instruction[]} instructions
 * @param {{ folder: string, context: string, ignoreText: string }} options
 * @returns {Stage}
 */
export function carryOutStages(instructions, { folder, context, ignoreText }) {
  /** @type {Map<string, Stage>} */
  const stages = new Map();
  /** @type {Stage | undefined} */
  let current;
  for (const instruction of instructions) {
    if (instruction.keyword === 'FROM') {
      current = openStage(folder, instruction.rest, stages.size);
      stages.set(current.name, current);
    } else if (current === undefined) throw new Error('The Dockerfile begins without FROM');
    else carryOut(current, instruction, { context, ignoreText, stages });
  }
  if (current === undefined) throw new Error('The Dockerfile has no stage');
  return current;
}
