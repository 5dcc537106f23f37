import './workers';
import 'graphiql/style.css';
import './style.css';
import { createRoot } from 'react-dom/client';
import { caller } from './caller';
import { Playground } from './playground';

void caller.start();
createRoot(document.getElementById('playground')!).render(<Playground />);
