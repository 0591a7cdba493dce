// The calls of the interface that programs make.
import { call, replies } from './connection.js';
import { InvalidArgument } from './errors.js';
import { Token, accountOf } from './token.js';

// The longest wait for a token, in seconds.
const LONGEST_WAIT = 86400;

const bounded = (wait) => Math.min(wait, LONGEST_WAIT);

function whole(number) {
  if (typeof number !== 'number' || Number.isNaN(number)) {
    throw new InvalidArgument('wait and minValid must be numbers of seconds');
  }
  return Math.trunc(Math.min(number, Number.MAX_SAFE_INTEGER));
}

// Returns a token that stays valid for `minValid` seconds. Waits up to `wait` seconds for it. The options may be just an account.
export async function getToken(options = {}) {
  const { account, minValid = 60, wait = 20, signal } = typeof options === 'string' ? { account: options } : options;
  const parameters = { account, min_valid_s: whole(minValid), wait_ms: whole(bounded(wait) * 1000) };
  return new Token((await call('GetToken', parameters, { wait: bounded(wait), signal })).token);
}

// Reports that the API rejected this token, and returns another one.
export async function reject(token, { account = token.account, wait = 20, signal } = {}) {
  const access_token = typeof token === 'string' ? token : token.accessToken;
  const parameters = { account, access_token, wait_ms: whole(bounded(wait) * 1000) };
  return new Token((await call('RejectToken', parameters, { wait: bounded(wait), signal })).token);
}

// Yields each account, or the one named, now and at each change. Without an account, there is nothing to say until one is added.
export async function* watch({ account, signal } = {}) {
  for await (const reply of replies('Watch', { account }, { more: true, wait: Infinity, signal })) yield accountOf(reply.account);
}
