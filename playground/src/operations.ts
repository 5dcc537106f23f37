/** An operation to open in a tab; variables are JSON text. */
export type Operation = { title: string; query: string; variables?: string };

// The bundler reads these calls, so their options stand in full.
const queries = import.meta.glob<string>('../examples/*.graphql', { query: '?raw', import: 'default', eager: true });
const variables = import.meta.glob<string>('../examples/*.json', { query: '?raw', import: 'default', eager: true });
const links = import.meta.glob<string>('../links/*.graphql', { query: '?raw', import: 'default', eager: true });

/**
 * The examples, in the order of their file names. examples/02-add-contact.json
 * holds the variables of examples/02-add-contact.graphql, if it needs any.
 */
export const examples: readonly Operation[] = Object.keys(queries)
  .sort()
  .map((path) => ({
    title: titleOf(path),
    query: queries[path],
    variables: variables[path.replace(/graphql$/, 'json')],
  }));

/** What a mailed link opens: #invitation=TOKEN and #confirm=TOKEN, by the file in links/. */
const linked: Record<string, string> = {
  invitation: links['../links/accept-invitation.graphql'],
  confirm: links['../links/confirm-email.graphql'],
};

/**
 * Takes the operation that the address asks for, once: the token leaves the
 * location bar, and the browser's history with it.
 */
export function takeLinked(): Operation | undefined {
  const hash = new URLSearchParams(location.hash.slice(1));
  const kind = Object.keys(linked).find((name) => hash.get(name));
  if (!kind) {
    return undefined;
  }
  history.replaceState(null, '', location.pathname + location.search);
  return {
    title: kind,
    query: linked[kind],
    variables: JSON.stringify({ input: { token: hash.get(kind) } }, null, 2),
  };
}

/** "../examples/01-my-accounts.graphql" reads "My accounts". */
function titleOf(path: string): string {
  const words = path.replace(/^.*\/[0-9]*-?/, '').replace(/\.graphql$/, '').replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
