import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { HISTORY_PLUGIN, HistoryStore } from '@graphiql/plugin-history';
import { GraphiQLProvider, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { GraphiQL, GraphiQLInterface } from 'graphiql';
import { type DefinitionNode, Kind, parse } from 'graphql';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { type Answer, caller, callerName } from './caller';
import { examples, type Operation, takeLinked } from './operations';
import { TopBar } from './topbar';

type Request = { query: string; variables?: unknown; operationName?: string | null };

const plugins = [DOC_EXPLORER_PLUGIN, HISTORY_PLUGIN];
const openedAtFirst = examples.slice(0, 3);

// GraphiQL keeps tabs, their variables and the history in this storage. Variables
// may hold the token of an invitation, so they end with the browser's tab.
const storage = sessionStorage;
const isFirstVisit = storage.getItem('graphiql:tabState') === null;

/** The page: who asks, and GraphiQL on /graphql of this origin. */
export function Playground() {
  const [answer, setAnswer] = useState<Answer>();
  const fetcher = useMemo(() => async (request: Request) => {
    if (request.operationName === 'IntrospectionQuery') {
      return (await caller.ask(request)).body as object;
    }
    setAnswer(undefined);
    const answer = await caller.ask(withOwnName(request));
    setAnswer(answer);
    return answer.body as object;
  }, []);
  return (
    <GraphiQLProvider
      fetcher={fetcher}
      storage={storage}
      plugins={plugins}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      defaultTabs={[...openedAtFirst]}
      initialVariables={isFirstVisit ? openedAtFirst[0]?.variables : undefined}
      inputValueDeprecation
      schemaDescription
    >
      <HistoryStore>
        <DocExplorerStore>
          <Page answer={answer} forget={() => setAnswer(undefined)} />
        </DocExplorerStore>
      </HistoryStore>
    </GraphiQLProvider>
  );
}

/**
 * Drops an operation name that the query does not have. GraphiQL reads the name
 * some time after the last keystroke, and may still hold that of another tab.
 */
function withOwnName(request: Request): Request {
  const isOwn = (definition: DefinitionNode) =>
    definition.kind === Kind.OPERATION_DEFINITION && definition.name?.value === request.operationName;
  try {
    return parse(request.query).definitions.some(isOwn) ? request : { ...request, operationName: undefined };
  } catch {
    return request; // the server says what is wrong with it
  }
}

function Page({ answer, forget }: { answer?: Answer; forget: () => void }) {
  const open = useOpen();
  useLinks(open);
  useSchemaForNewCaller();
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id);
  useEffect(forget, [tab]); // the line below speaks of the answer on show
  return (
    <>
      <TopBar open={open} />
      <GraphiQLInterface
        defaultEditorToolsVisibility="variables"
        isHeadersEditorEnabled={false}
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>
          <span />
        </GraphiQL.Logo>
        <GraphiQL.Footer>
          <AnsweredTo answer={answer} />
        </GraphiQL.Footer>
      </GraphiQLInterface>
    </>
  );
}

/** Says to whom the answer on show was given, and warns when someone else asks now. */
function AnsweredTo({ answer }: { answer?: Answer }) {
  const now = callerName(useSyncExternalStore(caller.subscribe, caller.get));
  if (!answer) {
    return <p id="answered" role="status" />;
  }
  const stale = answer.name !== now;
  return (
    <p id="answered" role="status" data-stale={stale} data-status={answer.status}>
      Answered to <strong>{answer.name}</strong> in {Math.round(answer.milliseconds)} ms.
      {stale && ` Now ${now} asks: run it again to see the difference.`}
    </p>
  );
}

/** Returns what opens an operation in a tab, or undefined until the editors are there. */
function useOpen(): ((operation: Operation) => void) | undefined {
  const { addTab, changeTab, updateActiveTabValues } = useGraphiQLActions();
  const { queryEditor, variableEditor, tabs } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    tabs: state.tabs,
  }));
  if (!queryEditor || !variableEditor) {
    return undefined;
  }
  return ({ query, variables = '' }) => {
    const there = tabs.findIndex((tab) => tab.query === query && (tab.variables ?? '') === variables);
    if (there >= 0) {
      changeTab(there);
      return;
    }
    addTab();
    queryEditor.setValue(query);
    variableEditor.setValue(variables);
    updateActiveTabValues({ query, variables, operationName: null });
  };
}

/** Opens what the address asks for: on load, and when a link is followed into this page. */
function useLinks(open: ((operation: Operation) => void) | undefined): void {
  useEffect(() => {
    if (!open) {
      return;
    }
    const follow = () => {
      const operation = takeLinked();
      if (operation) {
        open(operation);
      }
    };
    follow();
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, [open]);
}

/** Asks for the schema again where the caller before was refused it. */
function useSchemaForNewCaller(): void {
  const { introspect } = useGraphiQLActions();
  const schema = useGraphiQL((state) => state.schema);
  const { mode, email, pasted } = useSyncExternalStore(caller.subscribe, caller.get);
  const before = useRef<string>(undefined); // undefined until it is known who asks
  useEffect(() => {
    if (mode === 'starting') {
      return;
    }
    const now = email + pasted;
    if (before.current !== undefined && before.current !== now && !schema) {
      void introspect();
    }
    before.current = now;
  }, [mode, email, pasted]);
}
