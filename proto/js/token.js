// What imgurd answers with.

export class Token {
  // Neither console.log nor JSON.stringify shows a private field.
  #accessToken;

  constructor({ access_token, token_type, expires_at, username, account }) {
    this.#accessToken = access_token;
    this.tokenType = token_type;
    this.expiresAt = expires_at;
    this.username = username;
    this.account = account;
    Object.freeze(this);
  }

  get accessToken() {
    return this.#accessToken;
  }

  // The value of the header `Authorization`.
  get authorization() {
    return `${this.tokenType} ${this.#accessToken}`;
  }
}

export function accountOf(account) {
  return Object.freeze({
    name: account.name,
    state: account.state,
    reason: account.reason,
    isDefault: account.is_default,
    username: account.username,
    autoRefresh: account.auto_refresh,
    loginPending: account.login_pending,
    unsaved: account.unsaved,
    refused: account.refused,
    expiresAt: account.expires_at,
    nextRefreshAt: account.next_refresh_at,
    retryAt: account.retry_at,
    grantedAt: account.granted_at,
  });
}
