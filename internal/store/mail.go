package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type mailRow struct {
	bun.BaseModel `bun:"table:mails,alias:m"`

	ID        domain.MailID `bun:"id,pk"`
	Email     string        `bun:"email"`
	EmailKey  string        `bun:"email_key"`
	Actor     string        `bun:"actor"`
	Subject   string        `bun:"subject"`
	Text      string        `bun:"text"`
	CreatedAt millis        `bun:"created_at"`
	SentAt    millis        `bun:"sent_at"`
	Attempts  int           `bun:"attempts"`
	NextTry   millis        `bun:"next_try"`
	LastError string        `bun:"last_error"`
}

func mailRowOf(m domain.Mail) mailRow {
	next := m.NextTry
	if next.IsZero() {
		next = m.CreatedAt
	}
	return mailRow{
		ID: m.ID, Email: m.To, EmailKey: EmailKey(m.To), Actor: m.Actor, Subject: m.Subject, Text: m.Text, CreatedAt: millis{m.CreatedAt},
		SentAt: millis{m.SentAt}, Attempts: m.Attempts, NextTry: millis{next}, LastError: m.LastError,
	}
}

func (r mailRow) domain() domain.Mail {
	return domain.Mail{
		ID: r.ID, To: r.Email, Actor: r.Actor, Subject: r.Subject, Text: r.Text, CreatedAt: r.CreatedAt.Time,
		SentAt: r.SentAt.Time, Attempts: r.Attempts, NextTry: r.NextTry.Time, LastError: r.LastError,
	}
}

// InsertMail adds a message to send. Without a NextTry it is due from its creation on.
func (tx *Tx) InsertMail(ctx context.Context, m domain.Mail) error {
	return tx.InsertMails(ctx, []domain.Mail{m})
}

// InsertMails adds many messages, as InsertMail does one.
func (tx *Tx) InsertMails(ctx context.Context, mails []domain.Mail) error {
	return insertAll(ctx, tx, "insert mails", rowsOf(mails, mailRowOf), func(r mailRow) []holder {
		return []holder{{ConstraintID, "mails", "id = ?", []any{r.ID}}}
	})
}

// DueMails returns messages that are not sent and whose next try is not later than now, the longest due first, at most limit.
func (tx *Tx) DueMails(ctx context.Context, now time.Time, limit int) ([]domain.Mail, error) {
	var rows []mailRow
	err := tx.idb.NewSelect().Model(&rows).Where("sent_at IS NULL AND next_try <= ?", millis{now}).
		OrderExpr("next_try, id").Limit(int64(limit)).Scan(ctx)
	return domainOf(rows, mailRow.domain), tx.fail("due mails", err)
}

// ClaimMails returns messages that are due as DueMails does, and moves their next try to until: nobody else finds them due
// before. Of several processes that claim at once each gets other messages.
func (tx *Tx) ClaimMails(ctx context.Context, now, until time.Time, limit int) ([]domain.Mail, error) {
	due, err := tx.DueMails(ctx, now, limit)
	if err != nil {
		return nil, err
	}
	var claimed []domain.Mail
	for _, m := range due {
		n, err := tx.affected(ctx, "claim mail", tx.idb.NewUpdate().Model((*mailRow)(nil)).Set("next_try = ?", millis{until}).
			Where("id = ? AND sent_at IS NULL AND next_try = ?", m.ID, millis{m.NextTry}))
		if err != nil {
			return nil, err
		}
		if n == 1 { // else somebody else was faster
			m.NextTry = millis{until}.UTC().Truncate(time.Millisecond)
			claimed = append(claimed, m)
		}
	}
	if len(claimed) == 0 && len(due) > 0 { // all of these are taken: there may be others
		return tx.ClaimMails(ctx, now, until, limit)
	}
	return claimed, nil
}

// UpdateClaimedMail is UpdateMail for a message that was claimed until then, and that nobody else has claimed meanwhile;
// else it is ErrLeaseLost.
func (tx *Tx) UpdateClaimedMail(ctx context.Context, m domain.Mail, until time.Time) error {
	row := mailRowOf(m)
	n, err := tx.affected(ctx, "update claimed mail", tx.idb.NewUpdate().Model(&row).ExcludeColumn("email", "email_key", "actor", "created_at").WherePK().
		Where("sent_at IS NULL AND next_try = ?", millis{until}))
	if err == nil && n == 0 {
		err = tx.fail("update claimed mail", ErrLeaseLost)
	}
	return err
}

// UpdateMail records a try to send: every column but id, address, actor and creation time.
func (tx *Tx) UpdateMail(ctx context.Context, m domain.Mail) error {
	row := mailRowOf(m)
	res, err := tx.idb.NewUpdate().Model(&row).ExcludeColumn("email", "email_key", "actor", "created_at").WherePK().Exec(ctx)
	return tx.changed("update mail", res, err)
}

// CountMails counts the messages since that time that an actor caused, and those to an e-mail address.
func (tx *Tx) CountMails(ctx context.Context, actor, email string, since time.Time) (caused, received int64, err error) {
	if caused, err = tx.idb.NewSelect().Model((*mailRow)(nil)).Where("actor = ? AND created_at > ?", actor, millis{since}).Count(ctx); err == nil {
		received, err = tx.idb.NewSelect().Model((*mailRow)(nil)).Where("email_key = ? AND created_at > ?", EmailKey(email), millis{since}).Count(ctx)
	}
	return caused, received, tx.fail("count mails", err)
}

// MailsTo returns the messages to an e-mail address, without regard to case, newest first, at most limit.
func (tx *Tx) MailsTo(ctx context.Context, email string, limit int) ([]domain.Mail, error) {
	var rows []mailRow
	err := tx.idb.NewSelect().Model(&rows).Where("email_key = ?", EmailKey(email)).OrderExpr("created_at DESC, id").Limit(int64(limit)).Scan(ctx)
	return domainOf(rows, mailRow.domain), tx.fail("mails to", err)
}

// ClearMailText forgets the text of a message, which may hold a secret link.
func (tx *Tx) ClearMailText(ctx context.Context, id domain.MailID) error {
	res, err := tx.idb.NewUpdate().Model((*mailRow)(nil)).Set("text = ''").Where("id = ?", id).Exec(ctx)
	return tx.changed("clear mail text", res, err)
}
