// Runs the server audits of graphql-http against the URL that is given, and prints one JSON line for each.
import { serverAudits } from 'graphql-http'

for (const audit of serverAudits({ url: process.argv[2] })) {
  const result = await audit.fn()
  console.log(JSON.stringify({ id: audit.id, name: audit.name, status: result.status, reason: result.reason }))
}
