// Builds a client's schema from the introspection query that GraphiQL and code generators send.
import { buildClientSchema, getIntrospectionQuery } from 'graphql'

const response = await fetch(process.argv[2], {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    query: getIntrospectionQuery({ schemaDescription: true, specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true }),
  }),
})
const { data, errors } = await response.json()
if (errors) throw new Error(JSON.stringify(errors))
console.log(Object.keys(buildClientSchema(data).getTypeMap()).filter((name) => !name.startsWith('__')).sort().join(' '))
