// A fetch that adds the token, and replaces a rejected one.
import { getToken, reject } from './calls.js';
import { InvalidArgument } from './errors.js';

// Whether a server that answered like this wants another access token. A 401 says so (RFC 6750, section 3.1). Imgur says 403
// to many things, and means the token only if it names the access token. A server over capacity says nothing about it.
export function rejectsToken(status, body) {
  if (status !== 401 && status !== 403) return false;
  const texts = errorTexts(body).map((text) => text.toLowerCase());
  if (texts.some((text) => text.includes('over capacity'))) return false;
  return status === 401 || texts.some((text) => text.includes('access token'));
}

// What a JSON body says is wrong, in all the places where Imgur's API and its token endpoint say it.
function errorTexts(body) {
  let answer;
  try {
    answer = JSON.parse(body.replace(/^\ufeff/, ''));
  } catch {
    return [];
  }
  const { error, data } = answer ?? {};
  const [inner, first] = [data?.error, answer?.errors?.[0]];
  const places = [error, error?.code, first?.code, error?.message, data, inner, inner?.message, first?.detail];
  return places.filter((text) => typeof text === 'string');
}

// Others can read what goes over plain HTTP to another machine (RFC 6750, section 5.3).
function checkAddress(url) {
  const { protocol, hostname } = new URL(url);
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
  if (protocol !== 'https:' && !isLoopback) {
    const reason = `a token does not go to ${hostname} over ${protocol.slice(0, -1)}; use https`;
    throw new InvalidArgument(reason, { field: 'url' });
  }
}

// Whether a body is gone once it was sent.
function isStream(body) {
  return body != null && (body instanceof ReadableStream || typeof body[Symbol.asyncIterator] === 'function');
}

// Whether the answer is to a request that had the token: a redirect to another origin takes the header away.
function isFrom(response, url) {
  return !response.redirected || new URL(response.url).origin === new URL(url).origin;
}

// Makes a `fetch` with a fresh token of the account for each request. If the API rejects it, the token is replaced and the
// request sent once more, unless its body is a stream.
export function createFetch({ account, fetch = globalThis.fetch } = {}) {
  return async (input, init) => {
    const request = input instanceof Request ? input : null;
    const url = request ? request.url : new URL(input).href;
    checkAddress(url);
    const signal = init?.signal ?? request?.signal;
    const send = (token, target) => {
      const headers = new Headers(init?.headers ?? request?.headers);
      headers.set('Authorization', token.authorization);
      return fetch(target, { ...init, headers });
    };

    const token = await getToken({ account, signal });
    // A copy of a request has a body of its own.
    const copy = request && !isStream(init?.body) ? request.clone() : null;
    const response = await send(token, input);
    const isSuspect = (response.status === 401 || response.status === 403) && isFrom(response, url);
    if (!isSuspect || !rejectsToken(response.status, await response.clone().text())) return response;
    let another;
    try {
      another = await reject(token, { signal });
    } catch (error) {
      throw Object.assign(error, { response });
    }
    if (isStream(init?.body)) return response;
    return send(another, copy ?? input);
  };
}

// The same for the default account.
export const fetch = createFetch();
