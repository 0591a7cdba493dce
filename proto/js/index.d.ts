/** An access token. Neither `console.log` nor `JSON.stringify` shows it. */
export declare class Token {
  private constructor();
  readonly accessToken: string;
  readonly tokenType: string;
  /** Unix seconds; undefined if the server did not say. */
  readonly expiresAt?: number;
  readonly username?: string;
  readonly account: string;
  /** The value of the header `Authorization`. */
  get authorization(): string;
}

export type State =
  | 'empty'
  | 'fresh'
  | 'refreshing'
  | 'stale'
  | 'waiting'
  | 'consent_needed'
  | 'misconfigured'
  | 'store_unavailable';

/** An account and its state. Every state but `fresh` has a reason, which says what to do. Times are Unix seconds. */
export interface Account {
  readonly name: string;
  readonly state: State;
  readonly reason?: string;
  readonly isDefault: boolean;
  readonly username?: string;
  readonly autoRefresh: boolean;
  readonly loginPending: boolean;
  readonly unsaved: boolean;
  readonly refused: boolean;
  readonly expiresAt?: number;
  readonly nextRefreshAt?: number;
  readonly retryAt?: number;
  readonly grantedAt?: number;
}

export interface Options {
  /** Default: the default account, or the account of the token. */
  account?: string;
  /** How many seconds to wait for a token (20). */
  wait?: number;
  signal?: AbortSignal;
}

/** Returns a token that stays valid for `minValid` seconds (60); at most half its lifetime counts. */
export declare function getToken(options?: string | (Options & { minValid?: number })): Promise<Token>;
/** Reports that the API rejected this token, and returns another one. */
export declare function reject(token: Token | string, options?: Options): Promise<Token>;
/** Yields each account, or the one named, now and at each change. Throws `Unreachable` when imgurd ends the connection. */
export declare function watch(options?: { account?: string; signal?: AbortSignal }): AsyncGenerator<Account, never, void>;

/** `fetch` with the default account's token. A rejected token is replaced, and the request sent once more. */
export declare const fetch: typeof globalThis.fetch;
/** Makes such a `fetch` for an account, on top of another `fetch`. */
export declare function createFetch(options?: {
  account?: string;
  fetch?: typeof globalThis.fetch;
}): typeof globalThis.fetch;
/** Whether a server that answered like this wants another access token. */
export declare function rejectsToken(status: number, body: string): boolean;

/** Any failure. `reason` is a sentence that says what to do; `name` is the error's name in the interface. */
export declare class ImgurdError extends Error {
  readonly reason: string;
  /** The API's answer that rejected the token, if `fetch` could not get another token for it. */
  readonly response?: Response;
}
/** There is no account of that name, or no default account. */
export declare class NoSuchAccount extends ImgurdError {
  readonly account?: string;
}
/** There is no grant that works: somebody has to sign in. */
export declare class ConsentNeeded extends ImgurdError {
  readonly account?: string;
}
/** This program may not have the token. */
export declare class AccessDenied extends ImgurdError {}
/** There is no token now. Try again after `retryAt` (Unix seconds) if it is set. */
export declare class TemporarilyUnavailable extends ImgurdError {
  readonly retryAt?: number;
}
/** The store of the grants is locked, absent or has another key. */
export declare class StoreUnavailable extends ImgurdError {}
/** The server refuses the client or a setting, which `setting` names. */
export declare class Misconfigured extends ImgurdError {
  readonly setting?: string;
}
/** Signing in failed. */
export declare class LoginFailed extends ImgurdError {}
/** The argument that `field` names has a value that it cannot have. */
export declare class InvalidArgument extends ImgurdError {
  readonly field?: string;
}
/** imgurd does not run, ended the connection, or does not answer. */
export declare class Unreachable extends ImgurdError {}
