#!/usr/bin/env node
// Lists the links to a person's images: asks imgurd on its socket, with nothing but Node.js 18 or later.
import { connect } from 'node:net';

const api = process.argv[2] ?? 'https://api.imgur.com/3';
const runtime = process.env.XDG_RUNTIME_DIR || `/run/user/${process.getuid()}`;
const socket = process.env.IMGURD_SOCKET || `${runtime}/imgurd/socket`;

function call(method, parameters) {
  return new Promise((resolve, reject) => {
    const keeper = connect(socket).setEncoding('utf8');
    let said = '';
    keeper.on('error', reject);
    keeper.on('end', () => reject(new Error('imgurd hung up')));
    keeper.on('data', (part) => {
      said += part;
      if (!said.endsWith('\0')) return;
      keeper.destroy();
      const { error, parameters } = JSON.parse(said.slice(0, -1));
      if (error) reject(new Error(explain(error.split('.').pop(), parameters)));
      else resolve(parameters.token.access_token);
    });
    keeper.write(JSON.stringify({ method: `org.imgurd.Keeper1.${method}`, parameters }) + '\0');
  });
}

// What the person reads. A program that goes on would wait: for Watch to tell of a sign-in, or until retry_at.
function explain(error, { reason, retry_at }) {
  if (error === 'ConsentNeeded') return `Sign in: ${reason}`;
  if (error === 'AccessDenied') return `Not allowed: ${reason}`;
  if (error === 'TemporarilyUnavailable' && retry_at) {
    return `Try again after ${new Date(retry_at * 1000).toISOString()}: ${reason}`;
  }
  return `${error}: ${reason}`;
}

async function images(token) {
  const answer = await fetch(`${api}/account/me/images`, { headers: { Authorization: `Bearer ${token}` } });
  return [answer.status, await answer.text()];
}

try {
  const token = await call('GetToken', {});
  let [status, answer] = await images(token);
  // A token can die before its time, and only who uses it notices. Imgur's 403 has many other causes.
  if (status === 401 || (status === 403 && answer.includes('access token'))) {
    [status, answer] = await images(await call('RejectToken', { access_token: token }));
  }
  if (status !== 200) throw new Error(`Imgur answers ${status}`);
  for (const image of JSON.parse(answer).data) console.log(image.link);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
