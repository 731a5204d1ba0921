/** A Duolog node in a process: for programs and tests that want a broker of their own. */
export { ConfigError, type NodeConfig, type NodeSettings } from './config.js';
export { DataFolderError } from './data-folder.js';
export { type RunningNode, type StartOptions, startNode } from './node.js';
