// The calls of the interface that programs make.
import { call, replies } from './connection.js';
import { Token, accountOf } from './token.js';

// Returns a token that stays valid for `minValid` seconds. Waits up to `wait` seconds for it.
export async function getToken({ account, minValid = 60, wait = 20, signal } = {}) {
  const parameters = { account, min_valid_s: Math.trunc(minValid), wait_ms: Math.trunc(wait * 1000) };
  return new Token((await call('GetToken', parameters, { wait, signal })).token);
}

// Reports that the API rejected this token, and returns another one.
export async function reject(token, { account = token.account, wait = 20, signal } = {}) {
  const access_token = typeof token === 'string' ? token : token.accessToken;
  const parameters = { account, access_token, wait_ms: Math.trunc(wait * 1000) };
  return new Token((await call('RejectToken', parameters, { wait, signal })).token);
}

// Yields each account, or the one named, now and at each change.
export async function* watch({ account, signal } = {}) {
  for await (const reply of replies('Watch', { account }, { more: true, signal })) yield accountOf(reply.account);
}
