package rediscache

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"steward/internal/authz/check"
)

func anEntry(t *rapid.T) check.Entry {
	e := check.Entry{Type: rapid.StringN(0, 200, 400).Draw(t, "type"), ID: rapid.String().Draw(t, "id"), Known: rapid.Uint64().Draw(t, "known")}
	copy(e.Key[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key"))
	e.Allowed = e.Known & rapid.Uint64().Draw(t, "allowed")
	return e
}

func packed(e check.Entry) (field, value string) {
	field = string(appendField(nil, &e))
	return field, string(appendValue(nil, &e, field))
}

func TestPack_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anEntry(t)
		field, value := packed(e)
		if len(field) > fieldSize(&e) || len(value) != valueSize || len(appendKey(nil, e.Key)) != keySize {
			t.Fatalf("sizes: %d %d", len(field), len(value))
		}
		if known, allowed := readValue(e.Key, field, value); known != e.Known || allowed != e.Allowed {
			t.Fatalf("%x %x", known, allowed)
		}
	})
}

// Two objects never share a field, nor two keys a hash: moving letters from the type to the id makes another field.
func TestPack_NothingCollides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "type and id")
		i, j := rapid.IntRange(0, len(text)).Draw(t, "i"), rapid.IntRange(0, len(text)).Draw(t, "j")
		a, _ := packed(check.Entry{Type: text[:i], ID: text[i:]})
		b, _ := packed(check.Entry{Type: text[:j], ID: text[j:]})
		if (a == b) != (i == j) {
			t.Fatalf("%q and %q", a, b)
		}
		c, d := anEntry(t), anEntry(t)
		if (string(appendKey(nil, c.Key)) == string(appendKey(nil, d.Key))) != (c.Key == d.Key) {
			t.Fatal("keys collide")
		}
	})
}

// A value answers its own question only: any other key, object or byte, and any other length, is a miss.
func TestPack_OnlyItsOwnQuestion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, other := anEntry(t), anEntry(t)
		field, value := packed(e)
		otherField, otherValue := packed(other)
		miss := func(what string, k check.Key, field, value string) {
			if known, allowed := readValue(k, field, value); known != 0 || allowed != 0 {
				t.Fatalf("%s: known %x allowed %x", what, known, allowed)
			}
		}
		if e.Key != other.Key && e.Known != 0 {
			miss("another key", other.Key, field, value)
		}
		if field != otherField && other.Known != 0 {
			miss("another object", e.Key, field, otherValue)
		}
		i := rapid.IntRange(0, valueSize-1).Draw(t, "byte")
		damaged := []byte(value)
		damaged[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		miss("damaged", e.Key, field, string(damaged))
		n := rapid.IntRange(0, 3*valueSize).Filter(func(n int) bool { return n != valueSize }).Draw(t, "length")
		miss("another length", e.Key, field, strings.Repeat(value, 3)[:n])
	})
}

func TestPack_AllowedButNotKnown(t *testing.T) {
	e := check.Entry{Type: "site", ID: "1", Known: 0b01, Allowed: 0b11}
	field, value := packed(e) // the seal fits
	if known, allowed := readValue(e.Key, field, value); known != 0 || allowed != 0 {
		t.Errorf("%b %b", known, allowed)
	}
}

func TestQuestion_OneCommandPerKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 50).Draw(t, "keys")
		entries := make([]check.Entry, len(keys))
		want := map[check.Key][]string{}
		for i, k := range keys {
			entries[i] = check.Entry{Key: check.Key{byte(k)}, Type: "site", ID: string(rune('a' + i))}
			field, _ := packed(entries[i])
			want[entries[i].Key] = append(want[entries[i].Key], field)
		}
		q := newQuestion(entries)
		if len(q.args) != len(want) {
			t.Fatalf("%d commands for %d keys", len(q.args), len(want))
		}
		for i, k := range q.keys {
			if len(q.args[i]) != 2+len(want[k]) || q.args[i][0] != "hmget" || q.args[i][1] != string(appendKey(nil, k)) {
				t.Fatalf("%v", q.args[i])
			}
			for j, field := range want[k] {
				if *q.args[i][2+j].(*string) != field {
					t.Fatalf("field %d of key %d", j, i)
				}
			}
		}
	})
}
