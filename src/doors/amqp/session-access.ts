import type { AccessVerdict, LiveSession, Principal, SessionEnd } from '../../broker/access.js';
import type { DoorContext } from './context.js';
import { AmqpError } from './errors.js';
import { Method } from './methods.js';

/** What the authorizer may do to a connection. */
export interface AccessHost {
  /** Ends it with an exception. */
  fail(error: AmqpError): void;
  /** Permissions have changed. */
  recheckAccess(): void;
}

/** A connection and the authorizer: its place in the virtual host, its channels, its renewed credentials, and its end when it may not stay. */
export class SessionAccess implements LiveSession {
  readonly vhost: string;
  private current: Principal;
  private readonly host: AccessHost;
  private readonly context: DoorContext;
  private readonly leaveStore: () => void;

  /** Takes a place. @throws AmqpError `not-allowed` when there is no such virtual host, it is not open to the principal, or all is full. */
  constructor(host: AccessHost, context: DoorContext, principal: Principal, vhost: string) {
    this.host = host;
    this.context = context;
    this.current = principal;
    this.vhost = vhost;
    const { access, broker } = context.ports;
    const method = Method.connectionOpen;
    if (!broker.hasVhost(vhost)) throw new AmqpError('not-allowed', `vhost ${vhost} not found`, method);
    if (!access.mayEnter(principal, vhost)) {
      throw new AmqpError('not-allowed', `access to vhost '${vhost}' refused for user '${principal.user}'`, method);
    }
    const admission = access.enter(this);
    if (!admission.admitted) throw new AmqpError('not-allowed', admission.reason, method);
    this.leaveStore = () => admission.leave();
  }

  get principal(): Principal {
    return this.current;
  }

  /** @throws AmqpError `not-allowed` when the user has as many channels as he may have. */
  openChannel(): void {
    const reason = this.context.ports.access.openChannel(this.current);
    if (reason !== undefined) throw new AmqpError('not-allowed', reason, Method.channelOpen);
  }

  /** One that was counted has closed. */
  closeChannel(): void {
    this.context.ports.access.closeChannel(this.current);
  }

  /** connection.update-secret: the same user with new credentials. `done` is called with the reason when they are refused. */
  renew(secret: Uint8Array, remoteAddress: string, done: (refusal: AmqpError | undefined) => void): void {
    const { user, kind } = this.current;
    const password = new TextDecoder().decode(secret);
    const token = kind === 'token' ? { token: password } : {};
    const verdict = this.context.ports.access.authenticate(
      { mechanism: 'PLAIN', user, password, ...token },
      remoteAddress,
    );
    const judge = (decided: AccessVerdict): void => {
      if (decided.accepted && decided.principal.user === user && decided.principal.kind === kind) {
        this.current = decided.principal;
        done(undefined);
        return;
      }
      const text = 'New secret was refused by one of the backends';
      done(new AmqpError('not-allowed', text, Method.connectionUpdateSecret));
    };
    if (verdict instanceof Promise) verdict.then(judge, () => judge({ accepted: false, reason: 'not checked' }));
    else judge(verdict);
  }

  end(why: SessionEnd, text: string): void {
    this.host.fail(new AmqpError(why === 'vhost-refused' ? 'access-refused' : 'connection-forced', text));
  }

  recheck(): void {
    this.host.recheckAccess();
  }

  /** The connection has ended. */
  leave(): void {
    this.leaveStore();
  }
}
