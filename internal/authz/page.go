package authz

import (
	"context"
	"slices"

	"steward/internal/domain"
)

// The sizes of a page.
const (
	DefaultPage   = 20
	MaxPage       = 100
	parentsAtOnce = 100 // whose lists are fetched together
)

// PageArgs are the arguments of every connection.
type PageArgs struct {
	First  *int    `json:"first"`
	After  *string `json:"after"`
	Last   *int    `json:"last"`
	Before *string `json:"before"`
}

// Slice is the part of an ordered list that a fetch returns for each parent: at most Limit rows strictly after From, or
// strictly before it, nearest first, when Backward.
type Slice struct {
	From     *Cursor
	Limit    int
	Backward bool
	IDs      []string // not nil: rows with one of these ids only
}

// Page is one page of a connection: the rows that the caller sees, in order.
type Page[T Object] struct {
	Rows             []T
	Cursors          []string // of the rows; empty texts when the query does not select them
	Start, End       *string  // where to go on, backward and forward; nil too when the query does not select them
	HasNext, HasPrev bool
	Total            *int // nil unless asked for, and above the number of candidates that a total may cost
}

// PageSpec says how a connection is loaded for all parents of a level.
type PageSpec[T Object] struct {
	Field    Field
	Args     PageArgs
	Order    string   // named in the cursors
	Requires []string // what a filter needs of each row
	Total    bool     // totalCount is selected
	// Lookup is the GraphQL type of the rows when the id of a row is that of its object in SpiceDB, and Fetch heeds
	// Slice.IDs: then a list of which the caller sees little may be read by the ids of what they see. "" is never.
	Lookup string
	// Fetch returns the candidates of the parents with these indices, in order.
	Fetch  func(ctx context.Context, parents []int, s Slice) ([][]T, error)
	Cursor func(T) Cursor
	Answer func(Page[T]) any
}

// Pages returns the batch that loads pages: full ones, of rows that the caller sees, in as few questions as can be. The
// candidates of all parents go into one question; only where some were hidden are more fetched.
func Pages[T Object](e *Engine, parents int, spec PageSpec[T]) (Batch, error) {
	b := &pages[T]{PageSpec: spec, engine: e, of: make([]pageOf[T], parents)}
	a := spec.Args
	if a.First != nil && a.Last != nil {
		return nil, domain.Invalid("last", "Give either first or last.")
	}
	if b.size = DefaultPage; a.First != nil {
		b.size = *a.First
	} else if a.Last != nil {
		b.size, b.backward = *a.Last, true
	}
	if b.size < 0 || b.size > MaxPage {
		return nil, domain.Invalid(map[bool]string{false: "first", true: "last"}[b.backward], "A page has 0 to 100 rows: ask for at most 100 and follow the cursor.")
	}
	arg, text := "after", a.After
	if b.backward {
		arg, text = "before", a.Before
	} else if a.Before != nil {
		return nil, domain.Invalid("before", "`before` goes with `last`, `after` with `first`.")
	}
	if b.backward && a.After != nil {
		return nil, domain.Invalid("after", "`before` goes with `last`, `after` with `first`.")
	}
	if text != nil {
		c, err := e.cursors.Open(arg, *text, spec.Field.Name(), spec.Order)
		if err != nil {
			return nil, err
		}
		b.from = &c
	}
	for i := range b.of {
		b.of[i].from = b.from
	}
	return b, nil
}

type pages[T Object] struct {
	PageSpec[T]
	engine   *Engine
	size     int
	backward bool
	from     *Cursor
	of       []pageOf[T]
	waves    int
	step     int // how often the limit of a wave has grown
	looked   int // candidates of each parent that is still open
	loaded   int
	finished bool
	lookup   lookup
}

// pageOf is the page of one parent while it fills.
type pageOf[T Object] struct {
	wave      []T // asked about, not yet sorted out
	kept      []T
	from      *Cursor
	exhausted bool
	all       []T // every candidate, for the total
	allKnown  bool
}

// Next sorts out the wave before, and fetches more for the pages that are not full yet. The first wave is asked all that
// the query wants to know of a row, as it is nearly always the last. Later ones are asked only whether their rows are
// shown; when the pages are full, all else is asked of the rows in them.
func (b *pages[T]) Next(ctx context.Context) (shown, counted []Object, err error) {
	wave, err := b.refill(ctx, b.sortOut())
	if err != nil {
		return nil, nil, err
	}
	switch {
	case b.waves == 0:
		shown = wave
		if b.Total {
			if counted, err = b.candidates(ctx); err != nil {
				return nil, nil, err
			}
		}
	case len(wave) > 0:
		counted = wave
	case b.waves > 1 && !b.finished:
		b.finished = true
		for i := range b.of {
			for _, r := range b.of[i].rows(b.size) {
				shown = append(shown, r)
			}
		}
	}
	b.waves++
	return shown, counted, nil
}

// sortOut keeps what the caller sees of the wave before, and returns the parents whose pages are not full.
func (b *pages[T]) sortOut() (open []int) {
	for i := range b.of {
		p := &b.of[i]
		for _, r := range p.wave {
			if b.engine.Visible(r) {
				b.lookup.visible++
			}
			if b.engine.shows(r, b.PageSpec.Requires) {
				p.kept = append(p.kept, r)
			}
		}
		b.lookup.seen += len(p.wave)
		p.wave = nil
		if len(p.kept) <= b.size && !p.exhausted && b.looked < b.engine.limits.Candidates {
			open = append(open, i)
		}
	}
	return open
}

// refill fetches the next wave of candidates for these parents.
func (b *pages[T]) refill(ctx context.Context, open []int) (wave []Object, err error) {
	if len(open) == 0 || b.lookUp(ctx, open) {
		return nil, nil
	}
	limit := min((b.size+1)<<(2*b.step), b.engine.limits.Candidates-b.looked)
	if wave, err = b.fetch(ctx, open, limit); err != nil {
		return nil, err
	}
	b.step, b.looked = b.step+1, b.looked+limit // who is still open has had as many as the limit
	return wave, nil
}

// read fetches rows of the parents, some parents at a time, so that an operation that leads to too many ends in time.
func (b *pages[T]) read(ctx context.Context, at []int, s Slice) ([][]T, error) {
	out := make([][]T, 0, len(at))
	for some := range slices.Chunk(at, parentsAtOnce) {
		got, err := b.Fetch(ctx, some, s)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, rows := range got {
			n += len(rows)
		}
		b.loaded += n
		if err := spend(ctx, n); err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

func (b *pages[T]) fetch(ctx context.Context, open []int, limit int) (wave []Object, err error) {
	// Parents that stand at the same place share one fetch: all of them in the first wave, which is nearly always the last.
	groups := map[Cursor][]int{}
	for _, i := range open {
		var c Cursor
		if b.of[i].from != nil {
			c = *b.of[i].from
		}
		groups[c] = append(groups[c], i)
	}
	for c, at := range groups {
		s := Slice{Limit: limit, Backward: b.backward, IDs: b.lookup.ids}
		if c != (Cursor{}) {
			s.From = &c
		}
		got, err := b.read(ctx, at, s)
		if err != nil {
			return nil, err
		}
		for k, i := range at {
			p := &b.of[i]
			p.wave, p.exhausted = got[k], len(got[k]) < limit
			if n := len(got[k]); n > 0 {
				last := b.Cursor(got[k][n-1])
				p.from = &last
			}
			for _, r := range got[k] {
				wave = append(wave, r)
			}
		}
	}
	return wave, nil
}

func (b *pages[T]) candidates(ctx context.Context) (counted []Object, err error) {
	at := make([]int, len(b.of))
	for i := range at {
		at[i] = i
	}
	got, err := b.read(ctx, at, Slice{Limit: b.engine.limits.Candidates + 1})
	if err != nil {
		return nil, err
	}
	for i := range b.of {
		if len(got[i]) > b.engine.limits.Candidates {
			continue
		}
		b.of[i].all, b.of[i].allKnown = got[i], true
		for _, r := range got[i] {
			counted = append(counted, r)
		}
	}
	return counted, nil
}

// Requires names what a filter needs of each row.
func (b *pages[T]) Requires() []string { return b.PageSpec.Requires }

// Loaded is how many rows were read.
func (b *pages[T]) Loaded() int { return b.loaded }

// rows returns those of the kept rows that belong to a page of that size; one more tells that there is a next page.
func (p *pageOf[T]) rows(size int) []T { return p.kept[:min(len(p.kept), size)] }

// Result builds the connection of parent i.
func (b *pages[T]) Result(i int) (any, []Object, error) {
	p := &b.of[i]
	page := Page[T]{Rows: slices.Clone(p.rows(b.size))}
	full := len(p.kept) > b.size
	page.HasNext, page.HasPrev = full || !p.exhausted, b.from != nil
	if b.backward {
		page.HasNext, page.HasPrev = page.HasPrev, page.HasNext
		slices.Reverse(page.Rows)
	}
	objs := make([]Object, len(page.Rows))
	for k, r := range page.Rows {
		objs[k] = r
	}
	b.place(&page, !full && !p.exhausted, p.from)
	page.Total = b.total(p)
	return b.Answer(page), objs, nil
}

// place sets the cursors of a page that the query selects. A page whose budget is spent leads on behind the last candidate,
// whoever that is.
func (b *pages[T]) place(page *Page[T], spent bool, last *Cursor) {
	list, n := b.Field.Name(), len(page.Rows)
	seal := func(r T) string { return b.engine.cursors.Seal(list, b.Cursor(r)) }
	page.Cursors = make([]string, n)
	if b.Field.Selects("edges", "cursor") {
		for k, r := range page.Rows {
			page.Cursors[k] = seal(r)
		}
	}
	if !b.Field.Selects("pageInfo") {
		return
	}
	if n > 0 {
		start, end := seal(page.Rows[0]), seal(page.Rows[n-1])
		page.Start, page.End = &start, &end
	}
	if !spent || last == nil {
		return
	}
	on := b.engine.cursors.SealHidden(list, *last)
	if b.backward {
		page.Start = &on
	} else {
		page.End = &on
	}
}

// total counts the candidates that the caller sees; nil when they were not asked about.
func (b *pages[T]) total(p *pageOf[T]) *int {
	if !p.allKnown {
		return nil
	}
	n := 0
	for _, r := range p.all {
		if b.engine.shows(r, b.PageSpec.Requires) {
			n++
		}
	}
	return &n
}

// Failed is a batch whose field answers an error, for arguments that cannot be read.
func Failed(err error) Batch { return failed{err} }

type failed struct{ err error }

func (f failed) Next(context.Context) (shown, counted []Object, err error) { return nil, nil, f.err }
func (f failed) Requires() []string                                        { return nil }
func (f failed) Loaded() int                                               { return 0 }
func (f failed) Result(int) (any, []Object, error)                         { return nil, nil, f.err }
