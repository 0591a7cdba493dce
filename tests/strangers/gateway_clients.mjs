// OAuth 2.0 clients that nobody here wrote, at imgurd's gateway: openid-client and simple-oauth2.
//
//   node gateway_clients.mjs NODE_MODULES LIBRARY GATEWAY CLIENT_ID SECRET PUBLIC_CLIENT_ID
//
// Prints a line of JSON for each step. After `code`, it waits for a line, and then for its access token to expire.
import { once } from 'node:events';
import { get } from 'node:http';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';

const [, , modules, library, base, id, secret, publicId] = process.argv;
const CALLBACK = 'https://oauth.pstmn.io/v1/callback';

const say = (step, answer) => console.log(JSON.stringify({ step, ...answer }));

// Opens the page and presses a button, if there is one. Returns where the browser ends up.
async function decide(url, decision = 'allow') {
  // Not by fetch, which no browser opens a page by.
  const [page] = await once(get(url), 'response');
  if (page.statusCode !== 200) return new URL(page.headers.location);
  const [, question] = (await text(page)).match(/name="id" value="(\w+)"/);
  const body = new URLSearchParams({ id: question, decision });
  const answer = await fetch(`${base}/oauth2/authorize`, { method: 'POST', body, headers: { origin: base }, redirect: 'manual' });
  return new URL(answer.headers.get('location'));
}

async function expiry(isExpired) {
  await once(process.stdin, 'data');
  while (!isExpired()) await setTimeout(20);
}

async function openidClient() {
  const client = await import(`${modules}/openid-client/build/index.js`);
  const configure = (name, authentication) =>
    client.discovery(new URL(base), name, undefined, authentication, {
      algorithm: 'oauth2',
      execute: [client.allowInsecureRequests],
    });
  const signIn = async (config, decision) => {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'read',
      state: 'st/1',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    const answer = await decide(url, decision);
    return client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState: 'st/1' });
  };
  const told = (tokens) => ({ token: tokens.access_token });
  // For an answer with WWW-Authenticate it leaves the error in the body.
  const failure = (promise) =>
    promise.then(told, async ({ error, response }) => ({ error: error ?? (await response.json()).error }));

  const basic = await configure(id, client.ClientSecretBasic(secret));
  say('denied', await failure(signIn(basic, 'deny')));
  const open = await configure(publicId, client.None());
  const first = await signIn(open);
  say('public', told(first));
  let tokens = await signIn(basic);
  say('code', told(tokens));
  await expiry(() => tokens.expiresIn() === 0);
  tokens = await client.refreshTokenGrant(basic, tokens.refresh_token);
  say('refreshed', told(tokens));
  const second = await client.refreshTokenGrant(open, first.refresh_token);
  say('rotated', second.refresh_token === first.refresh_token ? { error: 'kept' } : told(second));
  say('spent', await failure(client.refreshTokenGrant(open, first.refresh_token)));
  tokens = await client.refreshTokenGrant(basic, tokens.refresh_token);
  say('again', told(tokens));
  const post = await configure(id, client.ClientSecretPost(secret));
  const others = await signIn(post);
  say('client_secret_post', told(others));
  await client.tokenRevocation(post, others.refresh_token, { token_type_hint: 'refresh_token' });
  say('revoked', await failure(client.refreshTokenGrant(post, others.refresh_token)));
  say('client_credentials', told(await client.clientCredentialsGrant(post)));
  const wrong = await configure(id, client.ClientSecretBasic('guess'));
  say('guess', await failure(client.clientCredentialsGrant(wrong)));
}

async function simpleOauth2() {
  const { AuthorizationCode, ClientCredentials } = createRequire(`${modules}/`)('simple-oauth2');
  const paths = { tokenPath: '/oauth2/token', revokePath: '/oauth2/revoke' };
  const configure = (authorizationMethod, word = secret) => ({
    client: { id, secret: word },
    auth: { tokenHost: base, ...paths },
    options: { authorizationMethod },
  });
  const browsed = (authorizationMethod) => {
    const { auth, ...others } = configure(authorizationMethod);
    return new AuthorizationCode({ auth: { ...auth, authorizePath: '/oauth2/authorize' }, ...others });
  };
  const signIn = async (client, decision) => {
    const answer = await decide(client.authorizeURL({ redirect_uri: CALLBACK, state: 'st/1' }), decision);
    const { code, error } = Object.fromEntries(answer.searchParams);
    return error ? { error } : client.getToken({ code, redirect_uri: CALLBACK });
  };
  const told = ({ token }) => ({ token: token.access_token });
  const failure = (promise) => promise.then(told, ({ data }) => ({ error: data.payload.error }));

  const header = browsed('header');
  say('denied', await signIn(header, 'deny'));
  let token = await signIn(header);
  say('code', told(token));
  await expiry(() => token.expired());
  for (const step of ['refreshed', 'again']) {
    token = await token.refresh();
    say(step, told(token));
  }
  const others = await signIn(browsed('body'));
  say('client_secret_post', told(others));
  await others.revokeAll();
  say('revoked', await failure(others.refresh()));
  say('client_credentials', told(await new ClientCredentials(configure('header')).getToken({})));
  say('guess', await failure(new ClientCredentials(configure('header', 'guess')).getToken({})));
}

await { 'openid-client': openidClient, 'simple-oauth2': simpleOauth2 }[library]();
process.stdin.destroy();
