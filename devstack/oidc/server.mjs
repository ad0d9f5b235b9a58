// A certified OpenID Connect provider for tests, on loopback: npm oidc-provider
// with pages of our own that load nothing from elsewhere. Whoever types an address
// is its owner. The first line on standard output is the issuer; the process ends
// when its standard input does. Clients are named by CLIENTS: a JSON list with
// client_id, client_secret and redirect_uri.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(issuer, {
    clients: JSON.parse(process.env.CLIENTS).map(({ client_id, client_secret, redirect_uri }) => ({
      client_id, client_secret, redirect_uris: [redirect_uri], grant_types: ['authorization_code'], response_types: ['code'],
    })),
    jwks: { keys: [{ ...key, use: 'sig', kid: 'test' }] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // A subject says nothing of the address, as with most providers.
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: Buffer.from(id, 'hex').toString(), email_verified: true, name: Buffer.from(id, 'hex').toString().split('@')[0] }),
    }),
  });
  const callback = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      interaction(provider, request, response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
      return;
    }
    callback(request, response);
  });
  console.log(issuer);
});

async function interaction(provider, request, response) {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><title>Log in</title><h1>Log in to the identity provider</h1>
<form method="post"><label>Address <input name="email" autofocus></label> <button>Log in</button></form>`);
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const accountId = Buffer.from(new URLSearchParams(body).get('email')).toString('hex');
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope('openid email profile');
  await provider.interactionFinished(request, response, { login: { accountId }, consent: { grantId: await grant.save() } });
}

process.stdin.resume().on('end', () => process.exit(0));
