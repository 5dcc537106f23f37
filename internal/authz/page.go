package authz

import (
	"context"
	"slices"

	"steward/internal/domain"
)

// The sizes of a page, and how many candidates a page and a total may cost.
const (
	DefaultPage   = 20
	MaxPage       = 100
	maxCandidates = 10_000
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
}

// Page is one page of a connection: the rows that the caller sees, in order.
type Page[T Object] struct {
	Rows             []T
	HasNext, HasPrev bool
	Total            *int // nil unless asked for, and above the number of candidates that a total may cost
}

// PageSpec says how a connection is loaded for all parents of a level.
type PageSpec[T Object] struct {
	Args     PageArgs
	Order    string   // named in the cursors
	Requires []string // what a filter needs of each row
	Total    bool     // totalCount is selected
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
		c, err := ParseCursor(arg, *text, spec.Order)
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
}

// pageOf is the page of one parent while it fills.
type pageOf[T Object] struct {
	wave      []T // asked about, not yet sorted out
	kept      []T
	from      *Cursor
	seen      int
	exhausted bool
	all       []T // every candidate, for the total
	allKnown  bool
}

// Next sorts out the wave before, and fetches more for the pages that are not full yet.
func (b *pages[T]) Next(ctx context.Context) (shown, counted []Object, err error) {
	var open []int
	for i := range b.of {
		p := &b.of[i]
		for _, r := range p.wave {
			if b.engine.shows(r, b.PageSpec.Requires) {
				p.kept = append(p.kept, r)
			}
		}
		p.wave = nil
		if len(p.kept) <= b.size && !p.exhausted && p.seen < maxCandidates {
			open = append(open, i)
		}
	}
	if len(open) > 0 {
		limit := min((b.size+1)<<(2*b.waves), maxCandidates)
		if shown, err = b.fetch(ctx, open, limit); err != nil {
			return nil, nil, err
		}
	}
	if b.waves == 0 && b.Total {
		if counted, err = b.candidates(ctx); err != nil {
			return nil, nil, err
		}
	}
	b.waves++
	return shown, counted, nil
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
		s := Slice{Limit: limit, Backward: b.backward}
		if c != (Cursor{}) {
			s.From = &c
		}
		got, err := b.read(ctx, at, s)
		if err != nil {
			return nil, err
		}
		for k, i := range at {
			p := &b.of[i]
			p.wave, p.seen, p.exhausted = got[k], p.seen+len(got[k]), len(got[k]) < limit
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
	got, err := b.read(ctx, at, Slice{Limit: maxCandidates + 1})
	if err != nil {
		return nil, err
	}
	for i := range b.of {
		if len(got[i]) > maxCandidates {
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

// Result builds the connection of parent i.
func (b *pages[T]) Result(i int) (any, []Object, error) {
	p := &b.of[i]
	rows, more := p.kept, !p.exhausted
	if len(rows) > b.size {
		rows, more = rows[:b.size], true
	} else if p.exhausted {
		more = false
	}
	page := Page[T]{HasNext: more, HasPrev: b.from != nil}
	if b.backward {
		page.HasNext, page.HasPrev = b.from != nil, more
		for k := len(rows) - 1; k >= 0; k-- {
			page.Rows = append(page.Rows, rows[k])
		}
	} else {
		page.Rows = rows
	}
	if p.allKnown {
		n := 0
		for _, r := range p.all {
			if b.engine.shows(r, b.PageSpec.Requires) {
				n++
			}
		}
		page.Total = &n
	}
	objs := make([]Object, 0, len(page.Rows))
	for _, r := range page.Rows {
		objs = append(objs, r)
	}
	return b.Answer(page), objs, nil
}

// Failed is a batch whose field answers an error, for arguments that cannot be read.
func Failed(err error) Batch { return failed{err} }

type failed struct{ err error }

func (f failed) Next(context.Context) (shown, counted []Object, err error) { return nil, nil, f.err }
func (f failed) Requires() []string                                        { return nil }
func (f failed) Result(int) (any, []Object, error)                         { return nil, nil, f.err }
