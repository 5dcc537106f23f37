import { useSyncExternalStore } from 'react';
import { caller, callerName, personName } from './caller';
import { examples, type Operation } from './operations';

/** Who asks, and what there is to ask. */
export function TopBar({ open }: { open?: (operation: Operation) => void }) {
  const state = useSyncExternalStore(caller.subscribe, caller.get);
  return (
    <header className="topbar">
      <h1>Steward playground</h1>
      {state.mode === 'demo' && <AsWhom />}
      {state.mode === 'token' && <BearerToken />}
      <Examples open={open} />
      {state.problem ? (
        <p id="asks-now" role="alert" className="problem">
          {state.problem}
        </p>
      ) : (
        <p id="asks-now" role="status">
          {state.mode !== 'starting' && (
            <>
              Now asks: <strong>{callerName(state)}</strong>
            </>
          )}
        </p>
      )}
    </header>
  );
}

function AsWhom() {
  const { people, email } = useSyncExternalStore(caller.subscribe, caller.get);
  return (
    <div className="field">
      <label htmlFor="as-whom">As whom</label>
      <select
        id="as-whom"
        data-testid="as-whom"
        value={email}
        onChange={(event) => void caller.choose(event.target.value)}
      >
        <option value="">Anonymous</option>
        {people.map((person) => (
          <option key={person.email} value={person.email}>
            {personName(person)}
          </option>
        ))}
      </select>
    </div>
  );
}

function BearerToken() {
  const { pasted } = useSyncExternalStore(caller.subscribe, caller.get);
  return (
    <div className="field">
      <label htmlFor="bearer-token">Bearer token</label>
      <input
        id="bearer-token"
        data-testid="bearer-token"
        type="password"
        autoComplete="off"
        spellCheck={false}
        defaultValue={pasted}
        onBlur={(event) => caller.paste(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && caller.paste(event.currentTarget.value)}
      />
    </div>
  );
}

function Examples({ open }: { open?: (operation: Operation) => void }) {
  return (
    <div className="field">
      <label htmlFor="examples">Examples</label>
      <select
        id="examples"
        data-testid="examples"
        value=""
        disabled={!open}
        onChange={(event) => open?.(examples[Number(event.target.value)])}
      >
        <option value="" disabled>
          Open one
        </option>
        {examples.map((example, i) => (
          <option key={example.title} value={i}>
            {example.title}
          </option>
        ))}
      </select>
    </div>
  );
}
