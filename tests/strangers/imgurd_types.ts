// A program in TypeScript that uses all of the package in proto/js: tsc checks it, and nobody runs it.
import * as imgurd from '../../proto/js/index.js';

const signal: AbortSignal = AbortSignal.timeout(1000);
const token: imgurd.Token = await imgurd.getToken({ account: 'me', minValid: 60, wait: 20, signal });
const text: string = token.accessToken + token.tokenType + token.account + token.authorization;
const expiry: number | undefined = token.expiresAt;
const another: imgurd.Token = await imgurd.reject(token, { wait: 20 });
await imgurd.reject(another.accessToken);

for await (const account of imgurd.watch({ account: 'me', signal })) {
  const state: imgurd.State = account.state;
  const times: (number | undefined)[] = [account.expiresAt, account.nextRefreshAt, account.retryAt, account.grantedAt];
  const flags: boolean[] = [account.isDefault, account.autoRefresh, account.loginPending, account.unsaved, account.refused];
  console.log(account.name, account.username, account.reason, state, times, flags, text, expiry);
}

const fetchAsMe: typeof fetch = imgurd.createFetch({ account: 'me', fetch });
for (const each of [imgurd.fetch, fetchAsMe]) {
  const answer: Response = await each('https://api.imgur.com/3/account/me', { signal });
  console.log(imgurd.rejectsToken(answer.status, await answer.text()));
}

export function advice(error: imgurd.ImgurdError): string | number | undefined {
  if (error instanceof imgurd.TemporarilyUnavailable) return error.retryAt;
  if (error instanceof imgurd.ConsentNeeded || error instanceof imgurd.NoSuchAccount) return error.account;
  if (error instanceof imgurd.Misconfigured) return error.setting;
  if (error instanceof imgurd.InvalidArgument) return error.field;
  return error.reason;
}

// @ts-expect-error There is no such option.
await imgurd.getToken({ acount: 'me' });
// @ts-expect-error Only the package makes tokens.
new imgurd.Token();
