// Why a call failed: one class for each error of the interface.

export class ImgurdError extends Error {
  constructor(reason = '', fields = {}) {
    super(reason);
    Object.assign(this, fields, { reason });
    this.name = new.target.name;
  }
}

export class NoSuchAccount extends ImgurdError {}
export class ConsentNeeded extends ImgurdError {}
export class AccessDenied extends ImgurdError {}
export class TemporarilyUnavailable extends ImgurdError {}
export class StoreUnavailable extends ImgurdError {}
export class Misconfigured extends ImgurdError {}
export class LoginFailed extends ImgurdError {}
export class InvalidArgument extends ImgurdError {}
// imgurd does not run, ended the connection, or does not answer.
export class Unreachable extends ImgurdError {}

// The classes by the errors' names, with the fields that each has beside the reason, as the interface spells them.
const ERRORS = new Map(
  [
    [NoSuchAccount, { account: 'account' }],
    [ConsentNeeded, { account: 'account' }],
    [AccessDenied, {}],
    [TemporarilyUnavailable, { retryAt: 'retry_at' }],
    [StoreUnavailable, {}],
    [Misconfigured, { setting: 'setting' }],
    [LoginFailed, {}],
    [InvalidArgument, { field: 'field' }],
  ].map(([Kind, fields]) => [`org.imgurd.Keeper1.${Kind.name}`, [Kind, fields]]),
);

export function errorOf(name, parameters) {
  if (name === 'org.varlink.service.MethodNotFound') {
    return new ImgurdError('imgurd is older than this package; restart it with `systemctl --user restart imgurd`');
  }
  if (name === 'org.varlink.service.InvalidParameter') {
    return new InvalidArgument(`imgurd does not accept the argument ${parameters.parameter}; check its type`);
  }
  if (!ERRORS.has(name)) return new ImgurdError(`imgurd answered with ${name}; update this package`);
  const [Kind, fields] = ERRORS.get(name);
  const known = Object.entries(fields).map(([ours, theirs]) => [ours, parameters[theirs]]);
  return new Kind(parameters.reason, Object.fromEntries(known));
}
