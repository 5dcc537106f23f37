package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
)

var (
	// ErrNotFound says that no row has this id or key.
	ErrNotFound = errors.New("not found")
	// ErrDuplicate is what every *DuplicateError is, for errors.Is.
	ErrDuplicate = errors.New("duplicate")
	// ErrReference says that a row refers to one that does not exist, or that a deleted one is still referred to.
	ErrReference = errors.New("broken reference")
	// ErrRefused says that the database itself refuses the value or the change, for example an edit of the audit log.
	ErrRefused = errors.New("refused by the database")
	// ErrBusy says that the database was locked for too long. Trying again may succeed.
	ErrBusy = errors.New("database is busy")
	// ErrUnavailable says that the database cannot be reached, is starting or stopping, or takes no more connections.
	ErrUnavailable = errors.New("database is unavailable")
	// ErrOutcomeUnknown is an ErrUnavailable during a commit: what the transaction wrote may be kept or not.
	ErrOutcomeUnknown = fmt.Errorf("%w: it is unknown whether the transaction was committed", ErrUnavailable)
	// ErrLeaseLost says that another process has taken over what this one had claimed.
	ErrLeaseLost = errors.New("the lease was lost")
	// ErrBadPage says that a page's limit, order or keyset is none of the allowed ones.
	ErrBadPage = errors.New("bad page")
)

// The constraints that a DuplicateError names.
const (
	ConstraintID               = "id" // the id itself exists
	ConstraintAccountName      = "accounts_name"
	ConstraintUserLogin        = "users_login"
	ConstraintContactOwner     = "contacts_owner"
	ConstraintContactEmail     = "contacts_email"
	ConstraintContactPerson    = "contacts_person"
	ConstraintPrimaryBusiness  = "contacts_primary_business"
	ConstraintPrimaryBilling   = "contacts_primary_billing"
	ConstraintPrimaryRenewal   = "contacts_primary_renewal"
	ConstraintPrimaryTechnical = "contacts_primary_technical"
	ConstraintLinkHash         = "links_hash"
	ConstraintIdempotencyKey   = "idempotency_keys"
)

// DuplicateError says that another row already holds what must be unique.
type DuplicateError struct {
	Constraint string // one of the Constraint constants
	Err        error  // the driver's error
}

func (e *DuplicateError) Error() string { return "duplicate: " + e.Constraint }

// Is makes every DuplicateError an ErrDuplicate.
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }

// Unwrap returns the driver's error.
func (e *DuplicateError) Unwrap() error { return e.Err }

// SchemaError says that the database's schema is not the one that this program knows.
type SchemaError struct {
	Have, Want int64 // versions of the schema
}

func (e *SchemaError) Error() string {
	if e.Have < e.Want {
		return fmt.Sprintf("the database has schema version %d, this program needs %d: run `steward migrate`", e.Have, e.Want)
	}
	return fmt.Sprintf("the database has schema version %d, this program knows %d at most: run a newer steward", e.Have, e.Want)
}

// fail gives err the name of what was tried, in this package's terms. It returns nil for nil.
func (tx *Tx) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", op, ErrNotFound)
	}
	err = fmt.Errorf("%s: %w", op, tx.engine.Translate(err))
	if tx.failed == nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrLeaseLost) {
		tx.failed = err
	}
	return err
}

// changed is fail for a write that must have met a row.
func (tx *Tx) changed(op string, res sql.Result, err error) error {
	if err != nil {
		return tx.fail(op, err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return tx.fail(op, err)
}

// holder finds the row that holds what must be unique: a constraint and the condition under which another row of table violates it.
type holder struct {
	constraint string
	table      string
	where      string
	args       []any
}

// failUnique is fail for a write that can meet unique constraints. Where the driver does not name the constraint,
// the first holder that finds a row names it.
func (tx *Tx) failUnique(ctx context.Context, op string, err error, holders []holder) error {
	err = tx.fail(op, err)
	dup, ok := errors.AsType[*DuplicateError](err)
	if !ok || dup.Constraint != "" {
		return err
	}
	for _, h := range holders {
		found, probeErr := tx.exists(ctx, tx.idb.NewSelect().TableExpr("?", bun.Ident(h.table)).Where(h.where, h.args...))
		if probeErr != nil {
			return errors.Join(err, tx.fail(op, probeErr))
		}
		if found {
			dup.Constraint = h.constraint
			break
		}
	}
	return err
}

func (tx *Tx) exists(ctx context.Context, q *bun.SelectQuery) (bool, error) {
	var n int
	err := q.ColumnExpr("1").Limit(1).Scan(ctx, &n)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
