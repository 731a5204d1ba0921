export { probePort } from './bind.js';
export { canSharePort, chooseEngine, createWsServer, type EngineChoice } from './engine.js';
export { WsServerError, type WsServerErrorCode } from './errors.js';
export { prepareFrame } from './frame.js';
export type * from './port.js';
