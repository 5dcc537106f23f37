package store

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID            domain.UserID `bun:"id,pk"`
	Issuer        string        `bun:"issuer"`
	Subject       string        `bun:"subject"`
	Email         string        `bun:"email"`
	EmailKey      string        `bun:"email_key"`
	EmailVerified bool          `bun:"email_verified"`
	Name          string        `bun:"name"`
	Disabled      bool          `bun:"disabled"`
	CreatedAt     millis        `bun:"created_at"`
}

func (r userRow) domain() domain.User {
	return domain.User{
		ID: r.ID, Issuer: r.Issuer, Subject: r.Subject, Email: r.Email, EmailVerified: r.EmailVerified,
		Name: r.Name, Disabled: r.Disabled, CreatedAt: r.CreatedAt.Time,
	}
}

// Login is what a token says about the person that it signs in.
type Login struct {
	Issuer, Subject string
	Email           string
	EmailVerified   bool
	Name            string
}

func (l Login) same(u domain.User) bool {
	return l.Email == u.Email && l.EmailVerified == u.EmailVerified && l.Name == u.Name
}

// SignIn returns the user of the login. It adds an unknown user and keeps a known one's e-mail and name up to date; for a
// known user of whom nothing has changed it only reads, so that signing in never waits for the writer.
func (db *DB) SignIn(ctx context.Context, login Login, now time.Time) (domain.User, error) {
	var u domain.User
	err := db.View(ctx, func(tx *Tx) (err error) {
		u, err = tx.UserByLogin(ctx, login.Issuer, login.Subject)
		return err
	})
	if err == nil && login.same(u) {
		return u, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return domain.User{}, err
	}
	err = db.Update(ctx, func(tx *Tx) (err error) {
		u, err = tx.UpsertUser(ctx, login, now)
		return err
	})
	return u, err
}

// UpsertUser returns the user of the login. It adds an unknown user and keeps a known one's e-mail and name up to date; it
// writes only when something has changed.
func (tx *Tx) UpsertUser(ctx context.Context, login Login, now time.Time) (domain.User, error) {
	u, err := tx.UserByLogin(ctx, login.Issuer, login.Subject)
	if err == nil && login.same(u) {
		return u, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return domain.User{}, err
	}
	row := userRow{
		ID: domain.NewID[domain.UserID](), Issuer: login.Issuer, Subject: login.Subject, Email: login.Email, EmailKey: EmailKey(login.Email),
		EmailVerified: login.EmailVerified, Name: login.Name, CreatedAt: millis{now},
	}
	_, err = tx.idb.NewInsert().Model(&row).On("CONFLICT (issuer, subject) DO UPDATE").
		Set("email = EXCLUDED.email, email_key = EXCLUDED.email_key, email_verified = EXCLUDED.email_verified, name = EXCLUDED.name").
		Exec(ctx)
	if err != nil {
		return domain.User{}, tx.fail("upsert user", err)
	}
	return tx.UserByLogin(ctx, login.Issuer, login.Subject)
}

// UserByLogin returns the user that this issuer knows as subject, or ErrNotFound.
func (tx *Tx) UserByLogin(ctx context.Context, issuer, subject string) (domain.User, error) {
	var row userRow
	err := tx.idb.NewSelect().Model(&row).Where("issuer = ? AND subject = ?", issuer, subject).Scan(ctx)
	return row.domain(), tx.fail("user by login", err)
}

// User returns the user, or ErrNotFound.
func (tx *Tx) User(ctx context.Context, id domain.UserID) (domain.User, error) {
	var row userRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("user", err)
}

// Users returns those of the users that exist.
func (tx *Tx) Users(ctx context.Context, ids []domain.UserID) (map[domain.UserID]domain.User, error) {
	rows, err := selectIn[userRow](ctx, tx, "id", ids)
	return mapOf(rows, func(r userRow) (domain.UserID, domain.User) { return r.ID, r.domain() }), tx.fail("users", err)
}

// UsersByEmail returns the users with this e-mail address, verified or not, without regard to case; the oldest MaxPage of them.
func (tx *Tx) UsersByEmail(ctx context.Context, email string) ([]domain.User, error) {
	key := EmailKey(email)
	if key == "" {
		return nil, nil
	}
	var rows []userRow
	err := tx.idb.NewSelect().Model(&rows).Where("email_key = ?", key).OrderExpr("created_at, id").Limit(MaxPage).Scan(ctx)
	return domainOf(rows, userRow.domain), tx.fail("users by email", err)
}

// SetUserDisabled disables or enables a user.
func (tx *Tx) SetUserDisabled(ctx context.Context, id domain.UserID, disabled bool) error {
	res, err := tx.idb.NewUpdate().Model((*userRow)(nil)).Set("disabled = ?", disabled).Where("id = ?", id).Exec(ctx)
	return tx.changed("set user disabled", res, err)
}

// StaffMember is a user with one staff role.
type StaffMember struct {
	bun.BaseModel `bun:"table:staff,alias:st"`

	UserID domain.UserID    `bun:"user_id,pk"`
	Role   domain.StaffRole `bun:"role,pk"`
}

// SetStaff gives a staff role to a user. It is no error when the user has it.
func (tx *Tx) SetStaff(ctx context.Context, user domain.UserID, role domain.StaffRole) error {
	_, err := tx.idb.NewInsert().Model(&StaffMember{UserID: user, Role: role}).On("CONFLICT DO NOTHING").Exec(ctx)
	return tx.fail("set staff", err)
}

// RemoveStaff takes a staff role from a user. It is no error when the user does not have it.
func (tx *Tx) RemoveStaff(ctx context.Context, user domain.UserID, role domain.StaffRole) error {
	_, err := tx.idb.NewDelete().Model((*StaffMember)(nil)).Where("user_id = ? AND role = ?", user, role).Exec(ctx)
	return tx.fail("remove staff", err)
}

// StaffRoles returns the staff roles of a user, sorted; none for everybody else.
func (tx *Tx) StaffRoles(ctx context.Context, user domain.UserID) ([]domain.StaffRole, error) {
	var roles []domain.StaffRole
	err := tx.idb.NewSelect().Model((*StaffMember)(nil)).Column("role").Where("user_id = ?", user).OrderExpr("role").Scan(ctx, &roles)
	return roles, tx.fail("staff roles", err)
}

// AllStaff returns every staff role of every user, by user and role. It is bounded by the provider's own people.
func (tx *Tx) AllStaff(ctx context.Context) ([]StaffMember, error) {
	var members []StaffMember
	err := tx.idb.NewSelect().Model(&members).OrderExpr("user_id, role").Scan(ctx)
	return members, tx.fail("staff", err)
}

// StaffMembers returns the users that have a staff role, by name; at most MaxPage of them.
func (tx *Tx) StaffMembers(ctx context.Context) ([]domain.User, error) {
	var rows []userRow
	staff := tx.idb.NewSelect().Model((*StaffMember)(nil)).Column("user_id")
	err := tx.idb.NewSelect().Model(&rows).Where("id IN (?)", staff).OrderExpr("name, id").Limit(MaxPage).Scan(ctx)
	return domainOf(rows, userRow.domain), tx.fail("staff members", err)
}
