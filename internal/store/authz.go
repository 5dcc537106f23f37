package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type generationRow struct {
	bun.BaseModel `bun:"table:authz_generation,alias:g"`

	Scope      string `bun:"scope,pk"`
	Generation string `bun:"generation"`
}

// LockScopes holds the scopes until the transaction ends. Whoever asks for one that is held exclusively waits, and so does
// who asks exclusively for one that is held at all. It takes them in one order, whatever order and mode they are given in,
// so that two callers never wait for each other; call it once per transaction.
func (tx *Tx) LockScopes(ctx context.Context, exclusive []string, shared ...string) error {
	mine := distinct(exclusive)
	slices.Sort(mine)
	others := slices.DeleteFunc(distinct(shared), func(s string) bool {
		_, found := slices.BinarySearch(mine, s)
		return found
	})
	slices.Sort(others)
	return tx.fail("lock scopes", tx.engine.LockScopes(ctx, tx.idb, mine, others))
}

// BumpGenerations gives each scope a new random generation: 128 bits, in hex.
func (tx *Tx) BumpGenerations(ctx context.Context, scopes []string) error {
	sorted := distinct(scopes)
	slices.Sort(sorted)
	for batch := range slices.Chunk(sorted, batchSize) {
		rows := make([]generationRow, len(batch))
		for i, scope := range batch {
			var b [16]byte
			_, _ = rand.Read(b[:]) // never fails: the runtime ends the process rather than return weak randomness
			rows[i] = generationRow{Scope: scope, Generation: hex.EncodeToString(b[:])}
		}
		if _, err := tx.idb.NewInsert().Model(&rows).On("CONFLICT (scope) DO UPDATE").Set("generation = EXCLUDED.generation").Exec(ctx); err != nil {
			return tx.fail("bump generations", err)
		}
	}
	return nil
}

// RelationUpdate is one relationship to write or to delete.
type RelationUpdate struct {
	Delete       bool   `json:"delete,omitempty"`
	Relationship string `json:"relationship"` // for example "account:y#billing@contact:x#person"
}

// OutboxEntry is a change of relationships that follows from rows written in the same transaction.
type OutboxEntry struct {
	ID        domain.ChangeID
	Scopes    []string // whose generations the change bumps
	Updates   []RelationUpdate
	Operation string // why, for example "grant_permission"
	Actor     string // who, for example "user:ID"
	CreatedAt time.Time
	AppliedAt time.Time // zero while pending
}

type outboxRow struct {
	bun.BaseModel `bun:"table:authz_outbox,alias:o"`

	Seq       int64                      `bun:"seq,pk,autoincrement"`
	ID        domain.ChangeID            `bun:"id"`
	Scopes    jsonText[[]string]         `bun:"account_scopes"`
	Updates   jsonText[[]RelationUpdate] `bun:"updates"`
	Operation string                     `bun:"operation"`
	Actor     string                     `bun:"actor"`
	CreatedAt millis                     `bun:"created_at"`
	AppliedAt millis                     `bun:"applied_at"`
}

func (r outboxRow) domain() OutboxEntry {
	return OutboxEntry{
		ID: r.ID, Scopes: r.Scopes.V, Updates: r.Updates.V, Operation: r.Operation, Actor: r.Actor,
		CreatedAt: r.CreatedAt.Time, AppliedAt: r.AppliedAt.Time,
	}
}

// AppendOutbox adds a change behind all that were added before.
func (tx *Tx) AppendOutbox(ctx context.Context, e OutboxEntry) error {
	row := outboxRow{
		ID: e.ID, Scopes: jsonText[[]string]{notNil(e.Scopes)}, Updates: jsonText[[]RelationUpdate]{notNil(e.Updates)},
		Operation: e.Operation, Actor: e.Actor, CreatedAt: millis{e.CreatedAt}, AppliedAt: millis{e.AppliedAt},
	}
	_, err := tx.idb.NewInsert().Model(&row).Returning("NULL").Exec(ctx)
	return tx.failUnique(ctx, "append outbox", err, []holder{{ConstraintID, "authz_outbox", "id = ?", []any{e.ID}}})
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// MarkApplied records that the changes were applied. One that was applied before keeps its time.
func (tx *Tx) MarkApplied(ctx context.Context, ids []domain.ChangeID, at time.Time) error {
	for batch := range slices.Chunk(distinct(ids), batchSize) {
		_, err := tx.idb.NewUpdate().Model((*outboxRow)(nil)).Set("applied_at = ?", millis{at}).
			Where("id IN (?)", bun.List(batch)).Where("applied_at IS NULL").Exec(ctx)
		if err != nil {
			return tx.fail("mark applied", err)
		}
	}
	return nil
}

// OutboxEntryByID returns the change, or ErrNotFound.
func (tx *Tx) OutboxEntryByID(ctx context.Context, id domain.ChangeID) (OutboxEntry, error) {
	var row outboxRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("outbox entry", err)
}

// PruneOutbox deletes the changes that were applied before that time and returns how many.
func (tx *Tx) PruneOutbox(ctx context.Context, before time.Time) (int, error) {
	return tx.affected(ctx, "prune outbox", tx.idb.NewDelete().Model((*outboxRow)(nil)).Where("applied_at < ?", millis{before}))
}
