// An OpenID provider that asks for PKCE, rotates its refresh tokens, and revokes the grant of one that comes twice.
//
//   node oidc-provider.mjs NODE_MODULES ACCESS_TOKEN_SECONDS
//
// Its first line is {"issuer": URL}. Each further line is an event, and none holds a token. Ends with its standard input.
import { once } from 'node:events';
import { createServer } from 'node:http';

const [, , modules, lifetime] = process.argv;
const { default: Provider } = await import(`${modules}/oidc-provider/lib/index.js`);

// Its notices are no events.
console.info = console.error;
const say = (line) => console.log(JSON.stringify(line));

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

const client = (auth, secret = 'fake-secret-of-the-strangers') => ({
  client_id: `fake-${auth}`,
  client_secret: secret,
  // On the loopback interface any port will do (RFC 8252, section 7.3).
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token', DEVICE],
  response_types: ['code'],
  token_endpoint_auth_method: auth === 'none' ? 'none' : `client_secret_${auth}`,
});

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [client('basic'), client('post'), client('none', undefined)],
  ttl: { AccessToken: Number(lifetime) },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: {
    deviceFlow: { enabled: true },
    // Whoever revokes a token means all that was granted with it.
    revocation: { enabled: true, allowedPolicy: () => true },
  },
  revokeGrantPolicy: () => true,
});

for (const event of ['grant.success', 'grant.error', 'grant.revoked', 'refresh_token.consumed']) {
  provider.on(event, (context, error) => say({
    event,
    grant_type: context.oidc?.params?.grant_type,
    client_auth: context.headers?.authorization ? 'basic' : 'body',
    error: error?.error,
  }));
}
provider.on('server_error', (_, error) => console.error(error.message));

server.on('request', provider.callback());
say({ issuer });
process.stdin.resume().on('end', () => process.exit());
