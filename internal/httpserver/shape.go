package httpserver

import (
	"context"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
)

// maxSchemaAliases bounds the aliases of an operation that reads the schema, where each can repeat half a megabyte.
const maxSchemaAliases = 5

// shapeLimits refuses a document by its shape, before validation and any walk of complexity see it. Each fragment is
// measured once, however often it is spread, so a document whose fragments double at each level costs what its text
// costs. It runs after every other extension that may change the query.
type shapeLimits struct {
	cfg  Config
	docs graphql.Cache[*ast.QueryDocument] // holds only what passed before
}

func (*shapeLimits) ExtensionName() string                   { return "ShapeLimits" }
func (*shapeLimits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters changes nothing: it is the executor's first step, ahead of its parser.
func (l *shapeLimits) MutateOperationParameters(ctx context.Context, p *graphql.RawParams) *gqlerror.Error {
	if _, seen := l.docs.Get(ctx, p.Query); seen {
		return nil
	}
	source := &ast.Source{Input: p.Query}
	if err := l.checkTokens(source); err != nil {
		return err
	}
	doc, err := parser.ParseQueryWithTokenLimit(source, 0) // the tokens are counted
	if err != nil {
		return nil // the executor says what is wrong with it
	}
	return l.checkShape(doc)
}

// checkTokens counts words and open brackets, without recursion: the parser after it recurses once per bracket.
func (l *shapeLimits) checkTokens(source *ast.Source) *gqlerror.Error {
	lex := lexer.New(source)
	tokens, open := 0, 0
	for {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return nil
		}
		if tokens++; tokens > l.cfg.MaxTokens {
			return tooMuch("the document has more than %d tokens: shorten it, or move values into variables", l.cfg.MaxTokens)
		}
		switch token.Kind {
		case lexer.BraceL, lexer.BracketL, lexer.ParenL:
			if open++; open > l.cfg.MaxNesting {
				return tooMuch("the document opens more than %d brackets within each other: nest less", l.cfg.MaxNesting)
			}
		case lexer.BraceR, lexer.BracketR, lexer.ParenR:
			open--
		}
	}
}

func (l *shapeLimits) checkShape(doc *ast.QueryDocument) *gqlerror.Error {
	if n := len(doc.Operations); n > l.cfg.MaxOperations {
		return tooMuch("the document has %d operations, the limit is %d: send those apart that are not run", n, l.cfg.MaxOperations)
	}
	m := newMeasure(doc)
	for _, fragment := range doc.Fragments { // the unused and the doubled ones too: validation walks them all
		s := m.fragment(fragment)
		s.directives += len(fragment.Directives)
		if err := l.check(m, s); err != nil {
			return err
		}
	}
	for _, operation := range doc.Operations {
		s := m.set(operation.SelectionSet)
		s.directives += m.directives(operation.Directives)
		for _, v := range operation.VariableDefinitions {
			s.directives += m.directives(v.Directives)
		}
		if err := l.check(m, s); err != nil {
			return err
		}
	}
	return nil
}

func (l *shapeLimits) check(m *measure, s shape) *gqlerror.Error {
	aliases := l.cfg.MaxAliases
	if s.schema {
		aliases = min(aliases, maxSchemaAliases)
	}
	switch {
	case m.cycle != "":
		return tooMuch("fragment %q spreads itself: take the spread out", clip(m.cycle))
	case m.streamed != "":
		return tooMuch("@%s is not supported here: take it out", m.streamed)
	case s.depth > l.cfg.MaxDepth:
		return tooMuch("the operation is %d fields deep, the limit is %d: ask for the deeper ones in a second request", s.depth, l.cfg.MaxDepth)
	case s.fields > l.cfg.MaxFields:
		return tooMuch("the operation selects %s fields with its fragments spread out, the limit is %d: split it", number(s.fields), l.cfg.MaxFields)
	case s.aliases > aliases:
		return tooMuch("the operation has %s aliases with its fragments spread out, the limit is %d: split it", number(s.aliases), aliases)
	case s.directives > l.cfg.MaxDirectives:
		return tooMuch("the operation has %s directives with its fragments spread out, the limit is %d: split it", number(s.directives), l.cfg.MaxDirectives)
	}
	return nil
}

func tooMuch(format string, args ...any) *gqlerror.Error {
	return &gqlerror.Error{Err: errRequest, Message: fmt.Sprintf(format, args...)}
}

// shape is the size of a selection, with its fragments spread out.
type shape struct {
	depth, fields, aliases, directives int
	schema                             bool // reads __schema or __type
}

// manyFields is where counting stops; the sum of two such counts still fits in 32 bits.
const manyFields = 1 << 29

func number(n int) string {
	if n >= manyFields {
		return "countless"
	}
	return fmt.Sprint(n)
}

func (s *shape) add(c shape) {
	s.depth = max(s.depth, c.depth)
	s.fields = min(s.fields+c.fields, manyFields)
	s.aliases = min(s.aliases+c.aliases, manyFields)
	s.directives = min(s.directives+c.directives, manyFields)
	s.schema = s.schema || c.schema
}

// measure walks one document.
type measure struct {
	byName   map[string]*ast.FragmentDefinition
	done     map[*ast.FragmentDefinition]shape
	open     map[*ast.FragmentDefinition]bool // entered and not yet left
	cycle    string                           // a fragment that spreads itself, directly or not
	streamed string                           // @defer or @stream, of which the transports would lose the rest
}

func newMeasure(doc *ast.QueryDocument) *measure {
	m := &measure{
		byName: make(map[string]*ast.FragmentDefinition, len(doc.Fragments)),
		done:   make(map[*ast.FragmentDefinition]shape, len(doc.Fragments)),
		open:   map[*ast.FragmentDefinition]bool{},
	}
	for _, f := range doc.Fragments {
		if _, doubled := m.byName[f.Name]; !doubled { // the first counts, as for the validator
			m.byName[f.Name] = f
		}
	}
	return m
}

func (m *measure) fragment(f *ast.FragmentDefinition) shape {
	if s, ok := m.done[f]; ok {
		return s
	}
	if m.open[f] {
		m.cycle = f.Name
		return shape{}
	}
	m.open[f] = true
	s := m.set(f.SelectionSet)
	delete(m.open, f)
	m.done[f] = s
	return s
}

func (m *measure) set(selections ast.SelectionSet) (s shape) {
	for _, selection := range selections {
		var c shape
		switch x := selection.(type) {
		case *ast.Field:
			c = m.set(x.SelectionSet)
			c.depth++
			c.fields++
			if x.Alias != x.Name {
				c.aliases++
			}
			c.directives += m.directives(x.Directives)
			c.schema = c.schema || x.Name == "__schema" || x.Name == "__type"
		case *ast.InlineFragment:
			c = m.set(x.SelectionSet)
			c.directives += m.directives(x.Directives)
		case *ast.FragmentSpread:
			c = shape{fields: 1} // one that does not exist counts, or a tree of them would be free
			if f := m.byName[x.Name]; f != nil {
				c = m.fragment(f)
			}
			c.directives += m.directives(x.Directives)
		}
		s.add(c)
	}
	return s
}

func (m *measure) directives(list ast.DirectiveList) int {
	for _, d := range list {
		if d.Name == "defer" || d.Name == "stream" {
			m.streamed = d.Name
		}
	}
	return len(list)
}
