package resolvers_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/store"
)

// hide denies a contact altogether; show takes that back.
func (h *house) hide(cs ...domain.Contact) {
	for _, c := range cs {
		h.checker.deny("contact", string(c.ID), "view_contacts")
	}
}

func (h *house) show(cs ...domain.Contact) {
	for _, c := range cs {
		delete(h.checker.denied, "contact:"+string(c.ID)+"#view_contacts")
	}
}

func (h *house) sees(c domain.Contact) bool {
	return !h.checker.denied["contact:"+string(c.ID)+"#view_contacts"]
}

// byName returns the names that the caller sees, in the order of the list.
func (h *house) byName(cs []domain.Contact) []string {
	var out []string
	for _, c := range cs {
		if h.sees(c) {
			out = append(out, c.LastName)
		}
	}
	slices.Sort(out)
	return out
}

// walk reads a list from one end to the other and returns its pages, in the order of the list. It fails when a page has no
// cursor to go on from, and when it does not come to an end.
func (h *house) walk(account domain.AccountID, size int, order string, backward bool) (pages [][]string) {
	h.Helper()
	cursor := ""
	for len(pages) < 1000 {
		args := fmt.Sprintf("%s: %d, orderBy: {%s}", map[bool]string{false: "first", true: "last"}[backward], size, order)
		if cursor != "" {
			args += map[bool]string{false: `, after: "`, true: `, before: "`}[backward] + cursor + `"`
		}
		names, more, prev, start, end := h.lastNames(account, args)
		page := strings.Fields(names)
		if cursor = end; backward {
			cursor, more = start, prev
			pages = append([][]string{page}, pages...)
		} else {
			pages = append(pages, page)
		}
		if !more {
			return pages
		}
		if cursor == "" {
			h.Fatalf("page %v promises more and has no cursor", page)
		}
	}
	h.Fatal("the list does not end")
	return nil
}

// A page whose next 10,000 candidates are all hidden is short and leads on past them. What lies behind is found, once.
func TestLists_budget(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 10_030)
	slices.SortFunc(cs, func(a, b domain.Contact) int { return strings.Compare(a.LastName, b.LastName) })
	h.hide(cs[5:10_017]...)
	for _, backward := range []bool{false, true} {
		pages := h.walk(a.ID, 7, "field: LAST_NAME", backward)
		if got := slices.Concat(pages...); !slices.Equal(got, h.byName(cs)) {
			t.Errorf("backward %v: got %v\nwant %v", backward, got, h.byName(cs))
		}
		sizes := make([]int, len(pages))
		for i, p := range pages {
			sizes[i] = len(p)
		}
		if want := map[bool][]int{false: {5, 7, 6}, true: {5, 6, 7}}[backward]; !slices.Equal(sizes, want) {
			t.Errorf("backward %v: pages of %v, want %v", backward, sizes, want)
		}
	}
	names, more, _, start, end := h.lastNames(a.ID, "first: 7")
	if len(strings.Fields(names)) != 5 || !more || start == "" || end == "" || start == end {
		t.Errorf("a short page: %s, more %v, start %s, end %s", names, more, start, end)
	}
}

// A cursor past hidden rows tells nothing of them: not their names, and not how long these are.
func TestLists_budget_tells_nothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *authz.Options) { o.Limits.Candidates = 10 })
	a, cs := h.account("Acme", 50)
	h.hide(cs...)
	h.update(func(tx *store.Tx) error {
		for i, c := range cs {
			c.LastName = "C" + strings.Repeat("x", i)
			if err := tx.UpdateContact(h.Context(), c); err != nil {
				return err
			}
		}
		return nil
	})
	cursor, length := "", 0
	for n := range 5 {
		names, more, _, start, end := h.lastNames(a.ID, `first: 3`+cursor)
		if names != "" || !more || start != "" || end == "" || (length != 0 && len(end) != length) {
			t.Fatalf("page %d: %q, more %v, start %q, end of %d characters after one of %d", n, names, more, start, len(end), length)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(end); err != nil || strings.Contains(string(raw), "LAST") || strings.Contains(string(raw), "cxx") {
			t.Errorf("a cursor can be read: %q (%v)", raw, err)
		}
		cursor, length = `, after: "`+end+`"`, len(end)
	}
	if names, more, _, _, end := h.lastNames(a.ID, `first: 3`+cursor); names != "" || more || end != "" {
		t.Errorf("behind the last: %q, more %v, end %q", names, more, end)
	}
}

// What a list has read before it begins again does not count towards what an operation may load.
func TestLists_restart_costs_nothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 9_990)
	h.hide(cs...)
	h.checker.before = func(int) { h.checker.generation++ }
	const list = `: contacts(first: 100) { totalCount edges { node { lastName } } }`
	h.want(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { a`+list+` b`+list+` } } }`,
		`{"node": {"a": {"totalCount": 0, "edges": []}, "b": {"totalCount": 0, "edges": []}}}`)
	if n := h.times("view_contacts"); n < 3*9_990 {
		t.Errorf("asked %d times: that is less than three runs over 9,990", n)
	}
}

// A list of several waves begins again when rights were changed between two of them, twice at most.
func TestLists_restart(t *testing.T) {
	t.Parallel()
	const list = 2 // the wave that asks about the first candidates; the one before asks about the account
	for name, tc := range map[string]struct {
		change func(h *house, cs []domain.Contact, wave int)
		want   string
		first  int // how often the first candidate was asked about
	}{
		"nothing changes": {func(*house, []domain.Contact, int) {}, "C20 C21 C22 C23 C24", 1},
		"a grant": {func(h *house, cs []domain.Contact, wave int) {
			if wave == list+1 {
				h.show(cs[0])
				h.checker.generation++
			}
		}, "C00 C20 C21 C22 C23", 2},
		"a revoke": {func(h *house, cs []domain.Contact, wave int) {
			if wave == list+1 {
				h.hide(cs[20])
				h.checker.generation++
			}
		}, "C21 C22 C23 C24 C25", 2},
		"before the first wave": {func(h *house, cs []domain.Contact, wave int) {
			if wave == list {
				h.show(cs[0])
				h.checker.generation++
			}
		}, "C00 C20 C21 C22 C23", 1},
		"without end": {func(h *house, cs []domain.Contact, wave int) { h.checker.generation++ }, "C20 C21 C22 C23 C24", 3},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a, cs := h.account("Acme", 40)
			h.hide(cs[:20]...)
			h.checker.before = func(wave int) { tc.change(h, cs, wave) }
			names, more, _, _, _ := h.lastNames(a.ID, "first: 5")
			if names != tc.want || !more {
				t.Errorf("got %s (%v), want %s", names, more, tc.want)
			}
			n := 0
			for _, qs := range h.checker.calls {
				if slices.ContainsFunc(qs, func(q authz.Question) bool { return q.Ref.ID == string(cs[0].ID) && q.Permission == "view_contacts" }) {
					n++
				}
			}
			if n != tc.first {
				t.Errorf("the first candidate was asked about %d times, want %d", n, tc.first)
			}
		})
	}
}

// Of the lists of one level those begin again that had more than one wave.
func TestLists_restart_of_some(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 40)
	h.hide(cs[:20]...)
	h.checker.before = func(wave int) {
		if wave == 3 {
			h.checker.generation++
		}
	}
	const names = `{ edges { node { lastName phone } } }`
	h.want(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { a: contacts(last: 1) `+names+` b: contacts(first: 2) `+names+` } } }`, `{"node": {
		"a": {"edges": [{"node": {"lastName": "C39", "phone": null}}]},
		"b": {"edges": [{"node": {"lastName": "C20", "phone": null}}, {"node": {"lastName": "C21", "phone": null}}]}}}`)
	for i, want := range map[int]int{39: 1, 0: 2} { // details are asked in a list's first wave
		n := 0
		for _, qs := range h.checker.calls {
			for _, q := range qs {
				if q.Ref.ID == string(cs[i].ID) && q.Permission == "view_contact_details" {
					n++
				}
			}
		}
		if n != want {
			t.Errorf("%s was asked about %d times, want %d", cs[i].LastName, n, want)
		}
	}
}

// A check that fails in a later wave fails the list.
func TestLists_check_fails_late(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 40)
	h.hide(cs[3:30]...)
	for late := 2; late < 5; late++ {
		h.checker.fail = nil
		h.checker.before = func(wave int) {
			if wave == late {
				h.checker.fail = errors.New("away")
			}
		}
		got := h.do(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(first: 5) { edges { node { lastName email } } } } } }`, nil)
		h.same(fmt.Sprint("wave ", late), got.Data, `{"node": null}`)
		if len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "UNAVAILABLE" {
			t.Errorf("wave %d: %v", late, got.Errors)
		}
	}
}

// Rows that only fill a page up are asked whether they are shown; all else is asked of those that are.
func TestLists_refill_asks_little(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 90)
	h.hide(cs[4:70]...)
	got := h.do(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(first: 6) { edges { node { email viewerCan { editContact } } } } } } }`, nil)
	if len(got.Errors) > 0 || strings.Contains(string(mustJSON(t, got.Data)), "null") || strings.Count(string(mustJSON(t, got.Data)), "editContact") != 6 {
		t.Errorf("%s %v", mustJSON(t, got.Data), got.Errors)
	}
	h.asked(1 + 3 + 1) // the account, three waves, what else the query wants to know of the rows
	if view, edit := h.times("view_contacts"), h.times("edit_contact"); view < 70 || edit != 7+2 {
		t.Errorf("asked %d times whether a row is shown and %d times about a detail", view, edit)
	}
}

// Cursors hold when rights change and when their row is gone.
func TestLists_cursor_survives(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 12)
	_, _, _, _, end := h.lastNames(a.ID, "first: 4")
	h.hide(cs[3], cs[5])
	h.update(func(tx *store.Tx) error { return tx.DeleteContact(h.Context(), cs[3].ID) })
	if names, _, _, _, _ := h.lastNames(a.ID, `first: 3, after: "`+end+`"`); names != "C04 C06 C07" {
		t.Errorf("after a row that is gone: %s", names)
	}
	if names, _, _, _, _ := h.lastNames(a.ID, `last: 3, before: "`+end+`"`); names != "C00 C01 C02" {
		t.Errorf("before a row that is gone: %s", names)
	}
	got := h.do(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(first: 4) { ...E } } } }
		fragment E on ContactConnection { again: edges { ... { place: cursor } } }`, nil)
	edges := got.Data["node"].(map[string]any)["contacts"].(map[string]any)["again"].([]any)
	third := edges[2].(map[string]any)["place"].(string)
	if names, _, _, _, _ := h.lastNames(a.ID, `first: 2, after: "`+third+`"`); names != "C04 C06" {
		t.Errorf("after the third edge: %s", names)
	}
}

// A cursor that this list has not given out is refused, whatever was done to it.
func TestLists_cursor_refused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, _ := h.account("Acme", 4)
	const contacts, order = "Account.contacts", "LAST_NAME ASC"
	place := authz.Cursor{Order: order, Value: "c00\x1ff", ID: "x"}
	own := authz.NewCursors(cursorKey)
	good := own.Seal(contacts, place)
	if names, _, _, _, _ := h.lastNames(a.ID, `first: 1, after: "`+good+`"`); names != "C00" && names != "C01" {
		t.Fatalf("a cursor under the key reads %q", names)
	}
	changed := func(i int) string {
		raw, _ := base64.RawURLEncoding.DecodeString(good)
		raw[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	plain := encode(`{"o":"LAST_NAME ASC","v":"c00","i":"x"}`)
	for name, tc := range map[string]struct{ cursor, says string }{
		"of another list":   {own.Seal("Viewer.accounts", place), "not a cursor of this list"},
		"of another server": {authz.NewCursors(authz.NewCursorKey()).Seal(contacts, place), "not a cursor of this list"},
		"of another order":  {own.Seal(contacts, authz.Cursor{Order: "CREATED_AT ASC", Value: "1", ID: "x"}), "another order"},
		"plain":             {plain, "an earlier version"},
		"nonce changed":     {changed(0), "not a cursor of this list"},
		"text changed":      {changed(30), "not a cursor of this list"},
		"cut":               {good[:len(good)-4], "not a cursor of this list"},
		"short":             {good[:8], "not a cursor of this list"},
		"empty":             {"", "not a cursor of this list"},
		"no base64":         {good + "=", "not a cursor of this list"},
		"long":              {strings.Repeat("A", 1<<20), "not a cursor of this list"},
	} {
		for arg, size := range map[string]string{"after": "first", "before": "last"} {
			got := h.do(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(`+size+`: 1, `+arg+`: "`+tc.cursor+`") { edges { cursor } } } } }`, nil)
			if len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || got.Errors[0].Extensions["field"] != arg || !strings.Contains(got.Errors[0].Message, tc.says) {
				t.Errorf("%s: %v", name, got.Errors)
			}
		}
	}
}
