package change

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// Tx is the transaction of one change: the store's, and what makes it authorised, audited and effective.
type Tx struct {
	*store.Tx
	engine     *Engine
	req        Request
	now        time.Time
	authorised bool
	asked      bool                                 // SpiceDB has answered in this transaction
	contacts   map[domain.ContactID]*domain.Contact // each contact that is touched, as it was before the change; nil if there was none
	before     []relation.Relationship
	after      []relation.Relationship
	audit      []domain.AuditEntry
	entry      store.OutboxEntry
}

// Now is the moment of the change, the same for all of its rows.
func (tx *Tx) Now() time.Time { return tx.now }

// Actor is who makes the change.
func (tx *Tx) Actor() domain.Actor { return tx.req.Actor }

// Require refuses the change unless the actor holds every permission asked about, at this moment, under the lock.
func (tx *Tx) Require(ctx context.Context, qs ...authz.Question) error {
	tx.authorised = true
	err := tx.engine.Authz.Require(ctx, tx.req.Actor, qs...)
	tx.asked = tx.asked || err == nil && len(qs) > 0
	return err
}

// Can answers questions of the actor without refusing.
func (tx *Tx) Can(ctx context.Context, qs ...authz.Question) ([]bool, error) {
	got, err := tx.engine.Authz.Can(ctx, tx.req.Actor, qs...)
	tx.asked = tx.asked || err == nil && slices.Contains(got, true) // a no may be the token's, a yes is never
	return got, err
}

// AuthorisedBy says that the change needs no permission but what the caller has shown: a link's secret, the own login.
func (tx *Tx) AuthorisedBy(reason string) {
	if reason != "" {
		tx.authorised = true
	}
}

// Touch must come before the row of a contact is written: it notes what follows from it so far.
func (tx *Tx) Touch(ctx context.Context, ids ...domain.ContactID) error {
	if tx.contacts == nil {
		tx.contacts = map[domain.ContactID]*domain.Contact{}
	}
	for _, id := range ids {
		if _, done := tx.contacts[id]; done {
			continue
		}
		c, err := tx.find(ctx, id)
		if err != nil {
			return err
		}
		tx.contacts[id] = c
	}
	return nil
}

// find returns the contact, or nil when there is none.
func (tx *Tx) find(ctx context.Context, id domain.ContactID) (*domain.Contact, error) {
	c, err := tx.Contact(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &c, err
}

// Gains adds relationships that follow from rows which are not a contact's: a new account's, a new token's.
func (tx *Tx) Gains(rs ...relation.Relationship) { tx.after = append(tx.after, rs...) }

// Loses removes relationships of rows which are not a contact's.
func (tx *Tx) Loses(rs ...relation.Relationship) { tx.before = append(tx.before, rs...) }

// Audit adds an entry to the audit log, in the same transaction. It fills in who and when, and returns the entry's id.
func (tx *Tx) Audit(a domain.AuditEntry) domain.AuditID {
	a.ID, a.At = domain.NewID[domain.AuditID](), tx.now
	a.Actor, a.ActorName, a.TokenID = tx.req.Actor.Person, tx.req.Actor.Name, tx.req.Actor.TokenID
	if a.Action == "" {
		a.Action = tx.req.Operation
	}
	tx.audit = append(tx.audit, a)
	return a.ID
}

func (tx *Tx) run(ctx context.Context, fn func(context.Context, *Tx) (Result, error)) (Result, error) {
	hash, err := tx.req.hash()
	if err != nil {
		return Result{}, err
	}
	if err := tx.tokenCounts(ctx); err != nil {
		return Result{}, err
	}
	actor := tx.req.Actor.Person.String()
	if key := tx.req.IdempotencyKey; key != "" {
		have, err := tx.IdempotentResult(ctx, actor, key)
		if err == nil && tx.now.Sub(have.CreatedAt) <= keepAnswers {
			return repeated(have, tx.req.Operation, hash)
		}
		if err == nil { // its time is over, and the key free again
			_, err = tx.PruneIdempotency(ctx, tx.now.Add(-keepAnswers))
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return Result{}, err
		}
	}
	res, err := fn(ctx, tx)
	if err != nil {
		return Result{}, err
	}
	if !tx.authorised {
		return Result{}, errors.New("operation " + tx.req.Operation + " asked for no permission")
	}
	if err := tx.settle(ctx); err != nil {
		return Result{}, err
	}
	res.Change = tx.entry.ID
	if err := tx.InsertAudit(ctx, tx.audit...); err != nil {
		return Result{}, err
	}
	if key := tx.req.IdempotencyKey; key != "" {
		raw, err := json.Marshal(res)
		if err != nil {
			return Result{}, err
		}
		return res, tx.SaveIdempotentResult(ctx, store.IdempotentResult{
			Actor: actor, Key: key, Operation: tx.req.Operation, InputHash: hash, Result: raw, CreatedAt: tx.now,
		})
	}
	return res, nil
}

// tokenCounts refuses an API token that was revoked, or has expired, since the request came.
func (tx *Tx) tokenCounts(ctx context.Context) error {
	id := tx.req.Actor.TokenID
	if id == "" {
		return nil
	}
	t, err := tx.APIToken(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !t.Usable(tx.now) {
		return domain.Unauthenticated()
	}
	return err
}

func repeated(have store.IdempotentResult, operation string, hash []byte) (Result, error) {
	if have.Operation != operation || !bytes.Equal(have.InputHash, hash) {
		return Result{}, domain.Conflict("idempotencyKey", "This key was used for another call within the last 24 hours: take a new one.")
	}
	var res Result
	err := json.Unmarshal(have.Result, &res)
	res.Repeated = true
	return res, err
}

// settle writes the outbox entry: the difference between the relationships that followed from the rows before and those
// that follow from them now.
func (tx *Tx) settle(ctx context.Context) error {
	diff := relation.Diff(tx.before, tx.after)
	for _, id := range slices.Sorted(maps.Keys(tx.contacts)) {
		after, err := tx.find(ctx, id)
		if err != nil {
			return err
		}
		diff = append(diff, relation.ContactChange(tx.contacts[id], after)...)
	}
	if len(diff) == 0 {
		return nil
	}
	if err := tx.within(diff); err != nil {
		return err
	}
	if !tx.asked { // nothing is written that SpiceDB could not be told of now
		if _, err := tx.engine.Writer.Fence(ctx); err != nil {
			return domain.Unavailable("authorization service", err)
		}
	}
	// What takes rights away goes first, should the change need more than one write.
	slices.SortStableFunc(diff, func(a, b relation.Update) int {
		switch {
		case a.Delete == b.Delete:
			return 0
		case a.Delete:
			return -1
		}
		return 1
	})
	updates := make([]store.RelationUpdate, len(diff))
	for i, u := range diff {
		updates[i] = store.RelationUpdate{Delete: u.Delete, Relationship: u.Relationship}
	}
	tx.entry = store.OutboxEntry{
		ID: domain.NewID[domain.ChangeID](), Scopes: sorted(tx.req.Scopes), Updates: updates,
		Operation: tx.req.Operation, Actor: tx.req.Actor.Person.String(), CreatedAt: tx.now,
	}
	return tx.AppendOutbox(ctx, tx.entry)
}

// within refuses a change beyond the scopes that it has locked and will bump: kept answers would outlive it. The global
// scope covers everything, since every answer depends on it.
func (tx *Tx) within(diff []relation.Update) error {
	if slices.Contains(tx.req.Scopes, authz.GlobalScope) {
		return nil
	}
	var scopes []string
	for _, c := range tx.contacts {
		if c != nil {
			scopes = append(scopes, string(c.AccountID))
		}
	}
	for _, u := range diff {
		if account, ok := relation.TenantOf(u.Relationship); ok {
			scopes = append(scopes, string(account))
		}
		if holder, ok := relation.HolderOf(u.Relationship); ok {
			scopes = append(scopes, authz.ScopeOf(holder))
		}
		if relation.OfPlatform(u.Relationship) {
			scopes = append(scopes, authz.GlobalScope)
		}
	}
	for _, scope := range scopes {
		if !slices.Contains(tx.req.Scopes, scope) {
			return errors.New("operation " + tx.req.Operation + " changes what lies outside of its scopes")
		}
	}
	return nil
}
