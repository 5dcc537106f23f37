/** A person of the demo, and what kind of caller that is ("owner of Alder Ltd"). */
export type Person = { email: string; is: string };

/** Who asks. It is replaced as a whole with each change, never edited. */
export type CallerState = {
  /** demo: pick a person. token: paste one. offline: the server did not say which. */
  readonly mode: 'starting' | 'demo' | 'token' | 'offline';
  readonly people: readonly Person[];
  /** The chosen person's e-mail; empty for an anonymous caller. */
  readonly email: string;
  /** The pasted bearer token; empty outside mode "token". */
  readonly pasted: string;
  /** Why the chosen person cannot ask, as a sentence; empty if all is well. */
  readonly problem: string;
};

/** What came back, and to whom. */
export type Answer = { body: unknown; status: number; milliseconds: number; name: string };

type Token = { value: string; renewAt: number };

const personKey = 'steward.as-whom';
const tokenKey = 'steward.bearer-token';

/** A token is renewed this long before it expires, or at half its life if that is shorter. */
const renewAheadMs = 30_000;

/**
 * Caller knows in whose name the page asks and puts the Authorization header on
 * every request. Tokens of demo people live in memory only; the session storage
 * keeps which person was chosen, and a pasted token until the tab is closed.
 */
class Caller {
  #state: CallerState = { mode: 'starting', people: [], email: '', pasted: '', problem: '' };
  #listeners = new Set<() => void>();
  #tokens = new Map<string, Promise<Token>>();
  #started = Promise.withResolvers<void>();

  get = (): CallerState => this.#state;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Finds out whether this is a demo and restores the choice; requests wait until it has. */
  async start(): Promise<void> {
    try {
      this.#set(await this.#begin());
    } catch {
      this.#set({ mode: 'offline', problem: 'The server did not say who may sign in here. Reload the page to try again.' });
    }
    this.#started.resolve();
    await this.#token(this.#state.email).catch(() => undefined); // the top bar shows why
  }

  async #begin(): Promise<Partial<CallerState>> {
    const response = await send('/demo/people', { headers: { accept: 'application/json' } });
    if (response.status === 404) {
      return { mode: 'token', pasted: sessionStorage.getItem(tokenKey) ?? '' };
    }
    if (!response.ok) {
      throw new Error(`/demo/people answered ${response.status}`);
    }
    const people = (await response.json()) as Person[];
    // On a first visit the first of the people asks, so that the first run answers something.
    const kept = sessionStorage.getItem(personKey) ?? people[0]?.email ?? '';
    return { mode: 'demo', people, email: people.some((p) => p.email === kept) ? kept : '' };
  }

  /** From now on, email asks; the empty string makes the caller anonymous. */
  async choose(email: string): Promise<void> {
    sessionStorage.setItem(personKey, email);
    this.#set({ email, problem: '' });
    await this.#token(email).catch(() => undefined); // the top bar shows why
  }

  /** From now on, the bearer of token asks. */
  paste(token: string): void {
    const pasted = token.trim().replace(/^Bearer\s+/i, '');
    sessionStorage.setItem(tokenKey, pasted);
    this.#set({ pasted, problem: '' });
  }

  /**
   * Sends a GraphQL request in the name of whoever is chosen at this moment. It
   * throws a sentence for people where no JSON came back.
   */
  async ask(request: unknown): Promise<Answer> {
    await this.#started.promise;
    try {
      return await this.#ask(request);
    } catch (err) {
      delete (err as Error).stack; // GraphiQL would show it under the message
      throw err;
    }
  }

  async #ask(request: unknown): Promise<Answer> {
    const asked = this.#state;
    const start = performance.now();
    let response = await this.#post(asked, request);
    if (response.status === 401 && this.#tokens.delete(asked.email)) {
      response = await this.#post(asked, request); // a restarted server no longer knows the old token
    }
    const body = await read(response);
    return { body, status: response.status, milliseconds: performance.now() - start, name: callerName(asked) };
  }

  async #post(asked: CallerState, request: unknown): Promise<Response> {
    const token = asked.mode === 'demo' ? await this.#token(asked.email) : asked.pasted;
    return send('/graphql', {
      method: 'POST',
      headers: {
        accept: 'application/graphql-response+json, application/json;q=0.9',
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(request),
    });
  }

  async #token(email: string): Promise<string> {
    if (!email) {
      return '';
    }
    const kept = await this.#tokens.get(email)?.catch(() => undefined);
    if (kept && Date.now() < kept.renewAt) {
      return kept.value;
    }
    const fresh = issue(email);
    this.#tokens.set(email, fresh);
    try {
      const { value } = await fresh;
      this.#report(email, '');
      return value;
    } catch (err) {
      this.#report(email, (err as Error).message);
      throw err;
    }
  }

  #report(email: string, problem: string): void {
    if (this.#state.email === email && this.#state.problem !== problem) {
      this.#set({ problem });
    }
  }

  #set(change: Partial<CallerState>): void {
    this.#state = { ...this.#state, ...change };
    this.#listeners.forEach((listener) => listener());
  }
}

export const caller = new Caller();

/** Names who asks, for people: "Anonymous", "owner of Alder Ltd (a@alder.example)". */
export function callerName(state: CallerState): string {
  if (state.mode === 'token') {
    return state.pasted ? 'the bearer of the token' : 'Anonymous';
  }
  const person = state.people.find((p) => p.email === state.email);
  return person ? personName(person) : 'Anonymous';
}

export function personName(person: Person): string {
  return `${person.is} (${person.email})`;
}

async function issue(email: string): Promise<Token> {
  const asked = Date.now();
  const response = await send('/demo/token', {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify({ email }),
  });
  if (!response.ok) {
    throw new Error(`The demo gave no token for ${email} (status ${response.status}).`);
  }
  const { token, expiresAt } = (await response.json()) as { token: string; expiresAt: string };
  const life = Date.parse(expiresAt) - asked;
  return { value: token, renewAt: asked + life - Math.min(renewAheadMs, life / 2) };
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch {
    throw new Error('The server does not answer. Is it running?');
  }
}

async function read(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`The server answered ${response.status} without JSON: ${text.slice(0, 200)}`);
  }
}
