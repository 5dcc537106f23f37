package matrix

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// cell is one call: who does what to whom.
type cell struct {
	testing.TB
	w      *world.World
	a      *world.Account // the account under test
	o      *world.Account // the other account
	op     *operation
	row    row
	who    Kind
	caller world.Person
	quiet  *sight           // how it was before any refused call of the row
	asked  map[[2]Kind]bool // of whom, and as whom, viewerCan was asked on an account that nothing changes
	again  bool             // another row has tried every kind of caller on the same object, with another input
	made   string           // what the cell has made for its call: a token, a link
}

// on is the kind whose contact the cell is about.
func (c *cell) on() Kind {
	if c.row.on == self {
		return c.who
	}
	return c.row.on
}

// account is the account that the cell is about.
func (c *cell) account() *world.Account {
	if c.row.on == elsewhere || c.row.on == there {
		return c.o
	}
	return c.a
}

// target is the contact that the cell is about.
func (c *cell) target() Kind {
	if c.row.on == elsewhere {
		return world.Target
	}
	return c.on()
}

// object is the global id of what the cell is about.
func (c *cell) object() string {
	switch {
	case c.op.object != nil:
		return c.op.object(c)
	case c.row.on == platform || c.row.on == nothing:
		return ""
	case c.row.on == here || c.row.on == there:
		return c.account().ID
	}
	return c.account().Contact(c.target())
}

// contact is the present row of the contact that the cell is about; its zero value when it is gone.
func (c *cell) contact() domain.Contact {
	row, _ := c.account().Row(c, c.target())
	return row
}

func (c *cell) gone() bool {
	_, there := c.account().Row(c, c.target())
	return !there
}

func (op operation) document() string {
	input := strings.ToUpper(op.name[:1]) + op.name[1:] + "Input"
	return fmt.Sprintf(`mutation($input: %s!) { %s(input: $input) { userErrors { code field message } auditId } }`, input, op.name)
}

// try carries the call out. With an idempotency key it goes another way: what refuses it then is the service alone, because only
// that knows whether a call repeats an earlier one.
func (c *cell) try(key string) world.Response {
	in := c.op.input(c)
	if key != "" {
		in["idempotencyKey"] = key
	}
	return c.w.Do(c, c.caller, c.op.document(), world.Vars{"input": in})
}

// result reads what came of a call.
func (c *cell) result(res world.Response) outcome {
	if e := res.List(c.op.name + ".userErrors"); len(e) > 0 {
		return mend(res.Text(c.op.name + ".userErrors.0.code"))
	}
	if len(res.Errors) == 0 {
		return done
	}
	e := res.Errors[0]
	return outcome{e.Code(), e.Text("required"), e.Text("reason"), false}
}

// runOperation tries every row as every kind of caller that the run has for it. Refused calls share an account, because nothing
// may change it; a call that is to be done has one of its own.
func runOperation(t *testing.T, r run, op operation) {
	shared := cell{w: r.w, op: &op, a: r.w.Account(t), o: r.w.AnotherOther(t), asked: map[[2]Kind]bool{}}
	tried := map[Kind]bool{}
	for i, callers := range r.rows(op) {
		if len(callers) == 0 {
			continue
		}
		row := op.rows[i]
		name := string(row.on)
		if row.give != "" {
			name += " " + row.give
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			c := shared
			c.TB, c.row, c.again = t, row, tried[row.on]
			tried[row.on] = r.sample == nil // else not every kind has tried it
			if op.arrange != nil && row.on != self {
				c.a, c.o = r.w.Account(t), r.w.AnotherOther(t)
				op.arrange(&c)
			}
			c.tryAll(callers)
		})
	}
}

// tryAll tries a row: first whom it is refused to, while nothing else changes the database.
func (c *cell) tryAll(callers []Kind) {
	c.Helper()
	c.quiet = c.look()
	for _, who := range callers {
		if c.again && !c.row.matters(who) {
			continue
		}
		if want := c.op.expect(c.row, who); want != done {
			one := *c
			one.who, one.caller = who, c.a.As(c, who)
			one.mustNotHappen(want)
		}
	}
	for _, who := range callers {
		if c.op.expect(c.row, who) == done {
			one := *c
			one.who = who
			one.a = c.w.Account(c, slices.Concat(c.op.extra, []Kind{who, one.target()})...)
			if one.account() != one.a {
				one.o = c.w.AnotherOther(c)
			}
			if c.op.arrange != nil {
				c.op.arrange(&one)
			}
			one.caller = one.a.As(c, who)
			one.mustHappen()
		}
	}
}

// sight is what the database has of the two accounts, and how often it was written to until then.
type sight struct {
	writes int64
	rows   [2]string
}

func (c *cell) look() *sight {
	c.Helper()
	return &sight{c.w.Writes(c), [2]string{c.a.Rows(c), c.o.Rows(c)}}
}

// unchanged holds that the two accounts are as they were.
func (c *cell) unchanged() {
	c.Helper()
	if c.w.Writes(c) == c.quiet.writes {
		return
	}
	now := c.look()
	if now.rows != c.quiet.rows {
		c.fail("something was changed")
	}
	*c.quiet = *now
}

func (c *cell) fail(format string, args ...any) {
	c.Helper()
	c.Errorf("%s as %s on %s %s: %s", c.op.title(), c.who, c.row.on, c.row.give, fmt.Sprintf(format, args...))
}

func (c *cell) mustHappen() {
	c.Helper()
	c.answersBeforehand(done)
	if c.op.happened(c) {
		c.fail("it was so before")
		return
	}
	res := c.try("")
	if got := c.result(res); got != done {
		c.fail("got %+v, want it done: %s", got, res.Body)
		return
	}
	if !c.op.happened(c) {
		c.fail("it was answered as done, and did not happen")
	}
	c.audited(res.Text(c.op.name + ".auditId"))
}

// audited holds that the audit log says who did it.
func (c *cell) audited(global string) {
	c.Helper()
	_, id, _ := domain.ParseGlobalID(global)
	c.w.View(c, func(ctx context.Context, tx *store.Tx) error {
		e, err := tx.AuditEntry(ctx, domain.AuditID(id))
		if err != nil {
			c.fail("no entry %q in the audit log: %v", id, err)
			return nil
		}
		if e.Actor != c.caller.Is || e.ActorName == "" || e.Action == "" || e.TargetKind == "" {
			c.fail("the audit log says %+v", e)
		}
		if byToken := c.who == world.ServiceAccount || c.who == world.NarrowedToken; byToken != (e.TokenID != "") {
			c.fail("the audit log names the token %q", e.TokenID)
		}
		return nil
	})
}

func (c *cell) mustNotHappen(want outcome) {
	c.Helper()
	c.answersBeforehand(want)
	if c.op.input(c); c.made != "" {
		*c.quiet = *c.look() // what the cell has made for its call is no change of the call's
	}
	keys := []string{"", "once"}
	if c.again {
		keys = keys[:1]
	}
	for _, key := range keys {
		res := c.try(key)
		if got := c.result(res); got != want {
			c.fail("got %+v, want %+v: %s", got, want, res.Body)
		}
		if !want.mend && res.Get(c.op.name) != nil {
			c.fail("a refused mutation has a payload: %s", res.Body)
		}
	}
	c.unchanged()
}

// answersBeforehand holds that viewerCan says the same as the attempt will: true for who may, also for who has something to
// mend or lacks a further permission, and nothing at all for who does not see the object.
func (c *cell) answersBeforehand(want outcome) {
	c.Helper()
	if c.op.can == "" || want != done && c.asked[[2]Kind{c.row.on, c.who}] {
		return
	}
	c.asked[[2]Kind{c.row.on, c.who}] = true
	may := want.code != "FORBIDDEN" || want.required != c.op.needs
	if c.row.on == platform {
		field := strings.TrimPrefix(c.op.can, "Platform.")
		res := c.w.Do(c, c.caller, `{ viewer { viewerCan { `+field+` } } }`, nil)
		got, answered := res.Get("viewer.viewerCan." + field).(bool)
		if answered != (want != unauthenticated) || got != (answered && may) {
			c.fail("viewerCan says %s", res.Body)
		}
		return
	}
	typ, field, _ := strings.Cut(c.op.can, ".")
	query := fmt.Sprintf(`query($id: ID!) { node(id: $id) { ... on %s { viewerCan { %s } } } }`, typ, field)
	res := c.w.Do(c, c.caller, query, world.Vars{"id": c.object()})
	if want == unauthenticated || want == notFound {
		if res.Get("node") != nil {
			c.fail("does not exist for the caller, and node answers %s", res.Body)
		}
		return
	}
	if got, answered := res.Get("node.viewerCan." + field).(bool); !answered || got != may || len(res.Errors) > 0 {
		c.fail("viewerCan says %s, want %t", res.Body, may)
	}
}
