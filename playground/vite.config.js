import { defineConfig } from 'vite';

// Every address is relative and every font and worker is a file of its own, so
// that the page runs from any path and under a policy of 'self' alone.
export default defineConfig({
  base: './',
  build: {
    outDir: 'dist/app',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      output: { keepNames: true }, // GraphiQL names its icons, for screen readers, after their functions
      checks: { moduleLevelDirective: false },
    },
  },
  worker: { format: 'es' },
  server: {
    proxy: { '/graphql': 'http://127.0.0.1:8080', '/demo': 'http://127.0.0.1:8080' },
  },
});
