import { MAX_CERTIFICATES } from '../io/tls/limits.js';
import type { CertificateLoginRule, TlsFiles } from '../io/tls/port.js';
import { uwsTlsFault } from '../io/ws/engine.js';
import { ConfigError, type NodeConfig } from './config.js';

/** Which files TLS uses; undefined without TLS. @throws ConfigError for settings that do not go together. */
export function tlsFilesOf(config: NodeConfig): TlsFiles | undefined {
  const { tlsCert, tlsKey, tlsCa, tlsVerify, amqpsPort } = config;
  if (tlsCert.length !== tlsKey.length) {
    throw bad(
      `--tls-cert names ${tlsCert.length} files and --tls-key ${tlsKey.length}: each certificate needs its key`,
    );
  }
  if (tlsCert.length === 0) {
    if (tlsCa !== undefined) throw bad('--tls-ca is for a node with --tls-cert and --tls-key');
    if (tlsVerify !== 'none') throw bad(`--tls-verify is "${tlsVerify}", but there is no --tls-cert`);
    if (amqpsPort !== 'off') throw bad(`--amqps-port is ${amqpsPort}, but there is no --tls-cert`);
    return undefined;
  }
  if (tlsCert.length > MAX_CERTIFICATES) {
    throw bad(`--tls-cert names ${tlsCert.length} files, and ${MAX_CERTIFICATES} is the limit`);
  }
  if (tlsVerify !== 'none' && tlsCa === undefined) {
    throw bad(`--tls-verify is "${tlsVerify}", but there is no --tls-ca to verify with`);
  }
  const certificates = tlsCert.map((certFile, index) => ({ certFile, keyFile: tlsKey[index]! }));
  const files: TlsFiles = { certificates, caFile: tlsVerify === 'none' ? undefined : tlsCa, verify: tlsVerify };
  refuseEngine(config, files);
  return files;
}

/** Who asks for an engine should not get another one without a word. */
function refuseEngine(config: NodeConfig, files: TlsFiles): void {
  const fault = uwsTlsFault(files);
  if (config.wsEngine !== 'uws' || fault === undefined) return;
  throw bad(`--ws-engine is "uws", but ${fault}. Leave --ws-engine out, or say ws`);
}

/** How a certificate becomes a user name. */
export function certificateLoginRule(config: NodeConfig): CertificateLoginRule {
  return {
    from: config.tlsLoginFrom,
    alternativeNameType: config.tlsLoginSanType,
    alternativeNameIndex: config.tlsLoginSanIndex,
  };
}

function bad(what: string): ConfigError {
  return new ConfigError('bad-setting', `Cannot start: ${what}`);
}
