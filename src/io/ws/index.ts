export { probePort } from '../listen/bind.js';
export { ListenError, type ListenErrorCode } from '../listen/errors.js';
export { canSharePort, chooseEngine, createWsServer, type EngineChoice, uwsTlsFault } from './engine.js';
export { WsServerError, type WsServerErrorCode } from './errors.js';
export { prepareFrame } from './frame.js';
export type * from './port.js';
