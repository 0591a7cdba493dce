#!/usr/bin/env node
// Lists the links to your images, with only the package in proto/js. If that is installed
// (`npm install ./proto/js`), import it from 'imgurd'.
import { AccessDenied, ConsentNeeded, ImgurdError, TemporarilyUnavailable, fetch } from '../../proto/js/index.js';

const api = process.argv[2] ?? 'https://api.imgur.com/3';

// The message for the user. A long-running program would wait: until watch() reports a sign-in, or until retryAt.
function explain(error) {
  if (error instanceof ConsentNeeded) return `Sign in: ${error.reason}`;
  if (error instanceof AccessDenied) return `Not allowed: ${error.reason}`;
  if (error instanceof TemporarilyUnavailable && error.retryAt) {
    return `Try again after ${new Date(error.retryAt * 1000).toISOString()}: ${error.reason}`;
  }
  if (error instanceof ImgurdError) return `${error.name}: ${error.reason}`;
  return error.cause ? `${error.message} (${error.cause.message})` : error.message;
}

try {
  const answer = await fetch(`${api}/account/me/images`);
  if (answer.status !== 200) throw new Error(`Imgur answers ${answer.status}`);
  for (const image of (await answer.json()).data) console.log(image.link);
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
