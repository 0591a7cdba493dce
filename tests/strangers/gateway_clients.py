"""OAuth 2.0 clients that nobody here wrote, at imgurd's gateway: Authlib and requests-oauthlib.

Arguments: the gateway's address, a client ID, its secret. Prints a line of JSON for each step. After `code`, it waits for a line,
and then for its access token to expire.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session as Authlib
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import OAuth2Error
from requests_oauthlib import OAuth2Session as RequestsOauthlib

BASE, CLIENT_ID, SECRET = sys.argv[1:]
CALLBACK = "https://oauth.pstmn.io/v1/callback"
AUTHORIZE, TOKEN, REVOKE = (f"{BASE}/oauth2/{name}" for name in ("authorize", "token", "revoke"))


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


browser = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def visit(request):
    try:
        return browser.open(request)
    except urllib.error.HTTPError as answer:
        return answer


def decide(url, decision="allow"):
    """Opens the page and presses a button, if there is one. Returns where the browser ends up."""
    page = visit(url)
    if page.status == 200:
        question = re.search(r'name="id" value="(\w+)"', page.read().decode())[1]
        form = urllib.parse.urlencode({"id": question, "decision": decision}).encode()
        page = visit(urllib.request.Request(AUTHORIZE, form, {"Origin": BASE}))
    return page.headers["Location"]


def say(step, **what):
    print(json.dumps({"step": step, **what}), flush=True)


for method in ("client_secret_basic", "client_secret_post"):
    session = Authlib(
        CLIENT_ID,
        SECRET,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    verifier = generate_token(48)
    url, state = session.create_authorization_url(AUTHORIZE, code_verifier=verifier)
    if method == "client_secret_basic":
        denied = urllib.parse.urlparse(decide(url, "deny"))
        say("denied", error=urllib.parse.parse_qs(denied.query)["error"][0])
    token = session.fetch_token(TOKEN, authorization_response=decide(url), state=state, code_verifier=verifier)
    say("code" if method == "client_secret_basic" else method, token=token["access_token"])
    if method == "client_secret_basic":
        sys.stdin.readline()
        while not token.is_expired(leeway=0):
            time.sleep(0.02)
        token = session.refresh_token(TOKEN)
        say("refreshed", token=token["access_token"])
    session.revoke_token(REVOKE, token=token["refresh_token"], token_type_hint="refresh_token")
    try:
        session.refresh_token(TOKEN, refresh_token=token["refresh_token"])
    except AuthlibBaseError as error:
        say("revoked", error=error.error)

session = RequestsOauthlib(CLIENT_ID, redirect_uri=CALLBACK)
url, _ = session.authorization_url(AUTHORIZE)
token = session.fetch_token(TOKEN, authorization_response=decide(url), client_secret=SECRET)
say("requests-oauthlib", token=token["access_token"])
token = session.refresh_token(TOKEN, client_id=CLIENT_ID, client_secret=SECRET)
say("refreshed", token=token["access_token"])
service = RequestsOauthlib(client=BackendApplicationClient(CLIENT_ID))
say("client_credentials", token=service.fetch_token(TOKEN, client_secret=SECRET)["access_token"])
try:
    service.fetch_token(TOKEN, client_secret="guess")
except OAuth2Error as error:
    say("guess", error=error.error)
