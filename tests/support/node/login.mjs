// One login with npm's openid-client: writes where the browser has to go, reads where it ended up, writes what it got.
import { createInterface } from "node:readline/promises"
import * as client from "openid-client"

const { issuer, clientId, clientSecret, redirectUri, scope, parameters } = JSON.parse(process.argv[2])
const say = (value) => console.log(JSON.stringify(value))

const authentication = clientSecret ? client.ClientSecretBasic(clientSecret) : client.None()
const config = await client.discovery(new URL(issuer), clientId, undefined, authentication, {
  execute: [client.allowInsecureRequests], // http on this machine
})
client.enableNonRepudiationChecks(config) // validate signatures, too, by the published keys

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope,
  state: expectedState,
  nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
  ...parameters,
})
say({ url: url.href })

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const callback = new URL((await lines.next()).value)
try {
  const tokens = await client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier,
    expectedState,
    expectedNonce,
    idTokenExpected: true,
    maxAge: parameters.max_age ? Number(parameters.max_age) : undefined,
  })
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  const again = await client.fetchUserInfo(config, refreshed.access_token, claims.sub)
  const introspection = clientSecret ? await client.tokenIntrospection(config, refreshed.access_token) : null
  await client.tokenRevocation(config, refreshed.refresh_token)
  const revoked = await client.refreshTokenGrant(config, refreshed.refresh_token).catch((error) => error.error)
  const endSession = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: redirectUri,
  }).href
  say({ endSession, claims, userinfo, again, refreshed: refreshed.claims(), introspection, revoked })
} catch (error) {
  say({ error: error.error ?? String(error), code: error.code })
}
process.exit(0)
