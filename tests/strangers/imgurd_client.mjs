// The JavaScript package of imgurd, driven as imgurd_client.py is; {"request": URL, "by": "fetch"} is its fetch.
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';
import * as imgurd from '../../proto/js/index.js';

async function answer(request) {
  if (request.get) {
    const { account, min_valid: minValid, wait } = request.get;
    say(told(await imgurd.getToken({ account, minValid, wait })));
  } else if (request.reject) {
    say(told(await imgurd.reject(request.reject)));
  } else if ('watch' in request) {
    for await (const account of imgurd.watch({ account: request.watch })) say(account);
  } else if (request.crowd) {
    const tokens = await Promise.all(Array.from({ length: request.crowd }, () => imgurd.getToken()));
    say([...new Set(tokens.map((token) => token.accessToken))]);
  } else {
    const answer = await imgurd.fetch(...argumentsOf(request));
    say({ status: answer.status, text: await answer.text() });
  }
}

// What the fake takes for a form with a file.
const TEXT = 'name="image"; filename="cat.png"';

function argumentsOf({ request: url, body: kind }) {
  const form = new FormData();
  form.set('image', new Blob(['a cat'], { type: 'image/png' }), 'cat.png');
  const parts = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(TEXT));
      controller.close();
    },
  });
  const post = (body) => ({ method: 'POST', body, duplex: 'half' });
  switch (kind) {
    case 'form':
      return [url, post(form)];
    case 'text':
      return [new URL(url), post(TEXT)];
    case 'request':
      return [new Request(url, post(TEXT))];
    case 'stream':
      return [url, post(parts)];
    default:
      return [url];
  }
}

function told(token) {
  const { accessToken: access_token, tokenType: token_type, expiresAt: expires_at, username, account } = token;
  const shown = `${inspect(token)} ${JSON.stringify(token)} ${token}`;
  return { access_token, token_type, expires_at, username, account, authorization: token.authorization, shown };
}

function say(answer) {
  console.log(JSON.stringify(answer));
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    await answer(JSON.parse(line));
  } catch (error) {
    if (!(error instanceof imgurd.ImgurdError)) throw error;
    say({ raised: error.constructor.name, ...error, text: error.message });
  }
}
