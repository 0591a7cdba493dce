// Calls on imgurd's socket: JSON objects that a zero byte ends (https://varlink.org).
import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { AccessDenied, ImgurdError, Unreachable, errorOf } from './errors.js';

// What is added to a call's own bound before imgurd is taken for hung, in milliseconds.
const MARGIN = 5000;
// More than any reply has, in characters.
const LONGEST_REPLY = 1024 * 1024;

// $IMGURD_SOCKET, else $XDG_RUNTIME_DIR/imgurd/socket, else below /run/user/UID.
function socketPath() {
  const { IMGURD_SOCKET: named, XDG_RUNTIME_DIR: runtime = '' } = process.env;
  if (named) return named;
  // The specification has a relative one ignored.
  return join(isAbsolute(runtime) ? runtime : `/run/user/${process.getuid()}`, 'imgurd', 'socket');
}

// Another user who listens there would be told what is meant for imgurd. Node.js does not say who is at the other end.
function checkUser(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found && found.uid !== process.getuid()) throw notOurs(path);
}

function notOurs(path) {
  return new AccessDenied(
    `${path} is not your user's socket; call as the user whose imgurd it is, or set IMGURD_SOCKET to your own`,
  );
}

function unreachable(path, error) {
  if (error.name === 'AbortError') return error;
  if (error.code === 'EACCES' || error.code === 'EPERM') return notOurs(path);
  // A daemon without room says so before it hangs up, and hung up is what it is without a word.
  if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return hungUp();
  return new Unreachable(
    `cannot reach imgurd at ${path}: ${error.code ?? error.message}; start it with \`systemctl --user start imgurd\``,
  );
}

function hungUp() {
  return new Unreachable('imgurd ended the connection; see `systemctl --user status imgurd`');
}

function silent() {
  return new Unreachable('imgurd does not answer; restart it with `systemctl --user restart imgurd`');
}

function parametersOf(reply) {
  let message;
  try {
    message = JSON.parse(reply);
  } catch {
    message = null;
  }
  if (message === null || typeof message !== 'object') {
    // The text of the original error might repeat a token.
    throw new ImgurdError('imgurd gave an answer that is no reply; restart it with `systemctl --user restart imgurd`');
  }
  if (typeof message.error === 'string') throw errorOf(message.error, message.parameters ?? {});
  return message.parameters ?? {};
}

// Yields the parameters of each reply to a call. Only the first one has a bound: `wait`, in seconds; Infinity is none.
export async function* replies(method, parameters, { more = false, wait = 0, signal } = {}) {
  signal?.throwIfAborted();
  const path = socketPath();
  let socket;
  try {
    checkUser(path);
    socket = connect({ path, signal }).setEncoding('utf8');
  } catch (error) {
    throw error instanceof ImgurdError ? error : unreachable(path, error);
  }
  const timer = wait === Infinity ? undefined : setTimeout(() => socket.destroy(silent()), Math.max(wait, 0) * 1000 + MARGIN);
  socket.write(`${JSON.stringify({ method: `org.imgurd.Keeper1.${method}`, parameters, more })}\0`);
  try {
    let received = '';
    for await (const part of socket) {
      received += part;
      for (let end; (end = received.indexOf('\0')) >= 0; received = received.slice(end + 1)) {
        clearTimeout(timer);
        yield parametersOf(received.slice(0, end));
      }
      if (received.length > LONGEST_REPLY) break;
    }
  } catch (error) {
    throw error instanceof ImgurdError ? error : unreachable(path, error);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  throw hungUp();
}

export async function call(method, parameters, options) {
  for await (const reply of replies(method, parameters, options)) return reply;
}
