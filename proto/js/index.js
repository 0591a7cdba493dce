// Gets Imgur access tokens from imgurd, the daemon that keeps them fresh.
export { getToken, reject, watch } from './calls.js';
export * from './errors.js';
export { createFetch, fetch, rejectsToken } from './fetch.js';
export { Token } from './token.js';
