package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type auditRow struct {
	bun.BaseModel `bun:"table:audit_log,alias:al"`

	ID         domain.AuditID              `bun:"id,pk"`
	AccountID  domain.AccountID            `bun:"account_id"`
	At         millis                      `bun:"at"`
	ActorKind  domain.PersonKind           `bun:"actor_kind"`
	ActorID    string                      `bun:"actor_id"`
	ActorName  string                      `bun:"actor_name"`
	TokenID    domain.APITokenID           `bun:"token_id"`
	Action     string                      `bun:"action"`
	TargetKind string                      `bun:"target_kind"`
	TargetID   string                      `bun:"target_id"`
	TargetName string                      `bun:"target_name"`
	Reason     string                      `bun:"reason"`
	Request    string                      `bun:"request"`
	Before     jsonText[map[string]string] `bun:"before"`
	After      jsonText[map[string]string] `bun:"after"`
}

func auditRowOf(e domain.AuditEntry) auditRow {
	return auditRow{
		ID: e.ID, AccountID: e.AccountID, At: millis{e.At}, ActorKind: e.Actor.Kind, ActorID: e.Actor.ID, ActorName: e.ActorName,
		TokenID: e.TokenID, Action: e.Action, TargetKind: e.TargetKind, TargetID: e.TargetID, TargetName: e.TargetName,
		Reason: e.Reason, Request: e.Request, Before: jsonText[map[string]string]{e.Before}, After: jsonText[map[string]string]{e.After},
	}
}

func (r auditRow) domain() domain.AuditEntry {
	return domain.AuditEntry{
		ID: r.ID, AccountID: r.AccountID, At: r.At.Time, Actor: domain.Person{Kind: r.ActorKind, ID: r.ActorID}, ActorName: r.ActorName,
		TokenID: r.TokenID, Action: r.Action, TargetKind: r.TargetKind, TargetID: r.TargetID, TargetName: r.TargetName,
		Reason: r.Reason, Request: r.Request, Before: r.Before.V, After: r.After.V,
	}
}

// InsertAudit adds entries to the audit log. There is no way to change or delete one: the database refuses both.
func (tx *Tx) InsertAudit(ctx context.Context, entries ...domain.AuditEntry) error {
	return insertAll(ctx, tx, "insert audit", rowsOf(entries, auditRowOf), func(auditRow) []holder { return nil })
}

// AuditEntries returns those of the entries that exist.
func (tx *Tx) AuditEntries(ctx context.Context, ids []domain.AuditID) (map[domain.AuditID]domain.AuditEntry, error) {
	rows, err := selectIn[auditRow](ctx, tx, "id", ids)
	return mapOf(rows, func(r auditRow) (domain.AuditID, domain.AuditEntry) { return r.ID, r.domain() }), tx.fail("audit entries", err)
}

// AuditEntry returns the entry, or ErrNotFound.
func (tx *Tx) AuditEntry(ctx context.Context, id domain.AuditID) (domain.AuditEntry, error) {
	var row auditRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("audit entry", err)
}

// AuditQuery selects audit entries. The zero value, but for its page, selects all of them.
type AuditQuery struct {
	Action  string    // this operation only
	Since   time.Time // at this time or later
	Until   time.Time // before this time
	ActorID string    // by the person with this id
	Order   Order     // OrderAt
	Page    Page
}

var auditOrders = map[string]column{OrderAt: {name: "at", time: true}}

// AuditPage returns for each account one page of the entries that the query selects, in its order. The account "" is the
// platform as a whole. Accounts without such entries are missing from the map.
func (tx *Tx) AuditPage(ctx context.Context, accounts []domain.AccountID, query AuditQuery) (map[domain.AccountID][]domain.AuditEntry, error) {
	s, err := sort(query.Order, query.Page, OrderAt, auditOrders)
	if err != nil {
		return nil, err
	}
	accounts, err = pageOwners(accounts)
	if err != nil || len(accounts) == 0 {
		return nil, err
	}
	ids := partitioned(tx, "audit_log", accounts, s, func(q *bun.SelectQuery) *bun.SelectQuery {
		if query.Action != "" {
			q = q.Where("action = ?", query.Action)
		}
		if !query.Since.IsZero() {
			q = q.Where("at >= ?", millis{query.Since})
		}
		if !query.Until.IsZero() {
			q = q.Where("at < ?", millis{query.Until})
		}
		if query.ActorID != "" {
			q = q.Where("actor_id = ?", query.ActorID)
		}
		return q
	})
	var rows []auditRow
	err = tx.idb.NewSelect().Model(&rows).Where("id IN (?)", ids).OrderExpr("?", s.orderBy()).Scan(ctx)
	return groupOf(inOrder(s, rows), func(r auditRow) (domain.AccountID, domain.AuditEntry) { return r.AccountID, r.domain() }), tx.fail("audit page", err)
}

// AuditKeyset returns the entry's place in lists of the audit log.
func AuditKeyset(e domain.AuditEntry) Keyset {
	return Keyset{Value: millisValue(e.At), ID: string(e.ID)}
}
