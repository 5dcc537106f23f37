package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type linkRow struct {
	bun.BaseModel `bun:"table:links,alias:l"`

	ID        domain.LinkID    `bun:"id,pk"`
	Kind      domain.LinkKind  `bun:"kind"`
	ContactID domain.ContactID `bun:"contact_id"`
	Email     string           `bun:"email"`
	Hash      []byte           `bun:"hash"`
	CreatedAt millis           `bun:"created_at"`
	ExpiresAt millis           `bun:"expires_at"`
	UsedAt    millis           `bun:"used_at"`
	VoidedAt  millis           `bun:"voided_at"`
}

func linkRowOf(l domain.Link) linkRow {
	return linkRow{
		ID: l.ID, Kind: l.Kind, ContactID: l.ContactID, Email: l.Email, Hash: l.Hash,
		CreatedAt: millis{l.CreatedAt}, ExpiresAt: millis{l.ExpiresAt}, UsedAt: millis{l.UsedAt}, VoidedAt: millis{l.VoidedAt},
	}
}

func (r linkRow) domain() domain.Link {
	return domain.Link{
		ID: r.ID, Kind: r.Kind, ContactID: r.ContactID, Email: r.Email, Hash: r.Hash,
		CreatedAt: r.CreatedAt.Time, ExpiresAt: r.ExpiresAt.Time, UsedAt: r.UsedAt.Time, VoidedAt: r.VoidedAt.Time,
	}
}

// InsertLink adds a link. A hash that exists is a DuplicateError of ConstraintLinkHash.
func (tx *Tx) InsertLink(ctx context.Context, l domain.Link) error {
	return tx.InsertLinks(ctx, []domain.Link{l})
}

// InsertLinks adds many links, as InsertLink does one.
func (tx *Tx) InsertLinks(ctx context.Context, links []domain.Link) error {
	return insertAll(ctx, tx, "insert links", rowsOf(links, linkRowOf), func(r linkRow) []holder {
		return []holder{
			{ConstraintLinkHash, "links", "hash = ? AND id <> ?", []any{r.Hash, r.ID}},
			{ConstraintID, "links", "id = ?", []any{r.ID}},
		}
	})
}

// LinkByHash returns the link whose secret has this hash, of whatever state, or ErrNotFound.
func (tx *Tx) LinkByHash(ctx context.Context, hash []byte) (domain.Link, error) {
	var row linkRow
	err := tx.idb.NewSelect().Model(&row).Where("hash = ?", hash).Scan(ctx)
	return row.domain(), tx.fail("link by hash", err)
}

// LinksOfContact returns the links of a contact, the newest MaxPage of them, newest first.
func (tx *Tx) LinksOfContact(ctx context.Context, contact domain.ContactID) ([]domain.Link, error) {
	var rows []linkRow
	err := tx.idb.NewSelect().Model(&rows).Where("contact_id = ?", contact).OrderExpr("created_at DESC, id").Limit(MaxPage).Scan(ctx)
	return domainOf(rows, linkRow.domain), tx.fail("links of contact", err)
}

// LinksOfContacts returns the links of each of the contacts, newest first.
func (tx *Tx) LinksOfContacts(ctx context.Context, contacts []domain.ContactID) (map[domain.ContactID][]domain.Link, error) {
	rows, err := selectIn[linkRow](ctx, tx, "contact_id", contacts)
	newestFirst(rows, func(r linkRow) (time.Time, string) { return r.CreatedAt.Time, string(r.ID) })
	return groupOf(rows, func(r linkRow) (domain.ContactID, domain.Link) { return r.ContactID, r.domain() }), tx.fail("links of contacts", err)
}

// OpenLinks returns the links of that kind that are neither used nor void, newest first. Some may have expired.
func (tx *Tx) OpenLinks(ctx context.Context, contact domain.ContactID, kind domain.LinkKind) ([]domain.Link, error) {
	var rows []linkRow
	err := tx.idb.NewSelect().Model(&rows).Where("contact_id = ? AND kind = ?", contact, kind).
		Where("used_at IS NULL AND voided_at IS NULL").OrderExpr("created_at DESC, id").Limit(MaxPage).Scan(ctx)
	return domainOf(rows, linkRow.domain), tx.fail("open links", err)
}

// UpdateLink records that a link was used or voided, or sent once more: every column but id, kind, contact and creation time.
func (tx *Tx) UpdateLink(ctx context.Context, l domain.Link) error {
	row := linkRowOf(l)
	res, err := tx.idb.NewUpdate().Model(&row).ExcludeColumn("kind", "contact_id", "created_at").WherePK().Exec(ctx)
	if err != nil {
		return tx.failUnique(ctx, "update link", err, []holder{{ConstraintLinkHash, "links", "hash = ? AND id <> ?", []any{l.Hash, l.ID}}})
	}
	return tx.changed("update link", res, nil)
}

// VoidLinks ends the links of that kind that are neither used nor void.
func (tx *Tx) VoidLinks(ctx context.Context, contact domain.ContactID, kind domain.LinkKind, at time.Time) error {
	_, err := tx.idb.NewUpdate().Model((*linkRow)(nil)).Set("voided_at = ?", millis{at}).
		Where("contact_id = ? AND kind = ?", contact, kind).Where("used_at IS NULL AND voided_at IS NULL").Exec(ctx)
	return tx.fail("void links", err)
}
