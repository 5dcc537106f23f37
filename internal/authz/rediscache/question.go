package rediscache

import (
	"context"

	"github.com/redis/go-redis/v9"

	"steward/internal/authz/check"
)

// question asks for the entries of a wave with one HMGET per key. What it allocates does not grow with the number of
// entries, but for the replies.
type question struct {
	keys   []check.Key
	of     []int    // of each entry: its key's index in keys
	fields []string // of each entry
	args   [][]any  // of each key: a command
	cmds   []*redis.StringSliceCmd
}

func newQuestion(entries []check.Entry) *question {
	q := &question{of: make([]int, len(entries))}
	sizes := q.group(entries)
	q.fields = fields(entries)
	all := make([]any, 0, len(entries)+2*len(q.keys))
	q.args = make([][]any, len(q.keys))
	for i, k := range q.keys {
		// Each command has its place in one array.
		n := len(all)
		all = all[:n+2+sizes[i]]
		q.args[i] = append(all[n:n:len(all)], "hmget", string(appendKey(make([]byte, 0, keySize), k)))
	}
	for i := range entries {
		q.args[q.of[i]] = append(q.args[q.of[i]], &q.fields[i]) // a pointer fits into an interface, a string is copied
	}
	return q
}

// group finds the keys and how many entries each has. Entries mostly come in runs of one key.
func (q *question) group(entries []check.Entry) (sizes []int) {
	var seen map[check.Key]int
	for i := range entries {
		k := entries[i].Key
		if i > 0 && k == entries[i-1].Key {
			q.of[i] = q.of[i-1]
			sizes[q.of[i]]++
			continue
		}
		if seen == nil && i > 0 {
			seen = map[check.Key]int{q.keys[0]: 0}
		}
		at, ok := seen[k]
		if !ok {
			at = len(q.keys)
			q.keys, sizes = append(q.keys, k), append(sizes, 0)
			if seen != nil {
				seen[k] = at
			}
		}
		q.of[i] = at
		sizes[at]++
	}
	return sizes
}

// fields returns the fields of all entries, which share one string.
func fields(entries []check.Entry) []string {
	size := 0
	for i := range entries {
		size += fieldSize(&entries[i])
	}
	b, ends := make([]byte, 0, size), make([]int, len(entries))
	for i := range entries {
		b = appendField(b, &entries[i])
		ends[i] = len(b)
	}
	all, out, from := string(b), make([]string, len(entries)), 0
	for i, end := range ends {
		out[i], from = all[from:end], end
	}
	return out
}

func (q *question) commands(ctx context.Context, pipe redis.Pipeliner) {
	q.cmds = make([]*redis.StringSliceCmd, len(q.keys))
	for i, args := range q.args {
		// Not HMGet: its replies cost two allocations each. A missing field is "", as good as any value that is not ours.
		q.cmds[i] = redis.NewStringSliceCmd(ctx, args...)
		pipe.Process(ctx, q.cmds[i]) // queues, never fails
	}
}

// answer sets what the replies know and returns of how many entries they knew something.
func (q *question) answer(entries []check.Entry) (hits int) {
	next := make([]int, len(q.keys))
	for i := range entries {
		at := q.of[i]
		values := q.cmds[at].Val()
		if next[at] >= len(values) {
			continue
		}
		value := values[next[at]]
		next[at]++
		if known, allowed := readValue(entries[i].Key, q.fields[i], value); known != 0 {
			entries[i].Known, entries[i].Allowed = known, allowed
			hits++
		}
	}
	return hits
}
