package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

// summaryText is a summary as it is stored.
type summaryText struct {
	AccountsCreated   int `json:"accounts_created"`
	AccountsUnchanged int `json:"accounts_unchanged"`
	ContactsCreated   int `json:"contacts_created"`
	ContactsUnchanged int `json:"contacts_unchanged"`
}

// problemText is a problem as it is stored.
type problemText struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"`
	Message string `json:"message"`
	Mend    string `json:"mend,omitempty"`
}

type jobRow struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	ID         domain.JobID            `bun:"id,pk"`
	Kind       string                  `bun:"kind"`
	State      domain.JobState         `bun:"state"`
	DryRun     bool                    `bun:"dry_run"`
	Invite     bool                    `bun:"invite"`
	PersonKind domain.PersonKind       `bun:"person_kind"`
	PersonID   string                  `bun:"person_id"`
	ActorName  string                  `bun:"actor_name"`
	Scope      jsonText[scopeText]     `bun:"scope"`
	TokenID    domain.APITokenID       `bun:"token_id"`
	Request    string                  `bun:"request"`
	Reason     string                  `bun:"reason"`
	Done       int                     `bun:"done"`
	Total      int                     `bun:"total"`
	Summary    jsonText[summaryText]   `bun:"summary"`
	Problems   jsonText[[]problemText] `bun:"problems"`
	CreatedAt  millis                  `bun:"created_at"`
	FinishedAt millis                  `bun:"finished_at"`
}

func jobRowOf(j domain.Job) jobRow {
	row := jobRow{
		ID: j.ID, Kind: j.Kind, State: j.State, DryRun: j.DryRun, Invite: j.Invite, PersonKind: j.Person.Kind, PersonID: j.Person.ID,
		ActorName: j.ActorName, Scope: jsonText[scopeText]{scopeText(j.Scope)}, TokenID: j.TokenID, Request: j.Request, Reason: j.Reason, Done: j.Done, Total: j.Total,
		Summary: jsonText[summaryText]{summaryText(j.Summary)}, CreatedAt: millis{j.CreatedAt}, FinishedAt: millis{j.FinishedAt},
	}
	for _, p := range j.Problems {
		row.Problems.V = append(row.Problems.V, problemText(p))
	}
	return row
}

func (r jobRow) domain() domain.Job {
	j := domain.Job{
		ID: r.ID, Kind: r.Kind, State: r.State, DryRun: r.DryRun, Invite: r.Invite, Person: domain.Person{Kind: r.PersonKind, ID: r.PersonID},
		ActorName: r.ActorName, Scope: domain.Scope(r.Scope.V), TokenID: r.TokenID, Request: r.Request, Reason: r.Reason, Done: r.Done, Total: r.Total,
		Summary: domain.ImportSummary(r.Summary.V), CreatedAt: r.CreatedAt.Time, FinishedAt: r.FinishedAt.Time,
	}
	for _, p := range r.Problems.V {
		j.Problems = append(j.Problems, domain.ImportProblem(p))
	}
	return j
}

type jobFileRow struct {
	bun.BaseModel `bun:"table:job_files,alias:jf"`

	JobID   domain.JobID `bun:"job_id,pk"`
	Name    string       `bun:"name,pk"`
	Content []byte       `bun:"content"`
}

// InsertJob adds a job with the files that it works on, by name.
func (tx *Tx) InsertJob(ctx context.Context, job domain.Job, files map[string][]byte) error {
	row := jobRowOf(job)
	if _, err := tx.idb.NewInsert().Model(&row).Exec(ctx); err != nil {
		return tx.failUnique(ctx, "insert job", err, []holder{{ConstraintID, "jobs", "id = ?", []any{job.ID}}})
	}
	for name, content := range files {
		file := jobFileRow{JobID: job.ID, Name: name, Content: append([]byte{}, content...)} // an empty file is no NULL
		if _, err := tx.idb.NewInsert().Model(&file).Exec(ctx); err != nil {
			return tx.fail("insert job file", err)
		}
	}
	return nil
}

// Job returns the job, or ErrNotFound.
func (tx *Tx) Job(ctx context.Context, id domain.JobID) (domain.Job, error) {
	var row jobRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("job", err)
}

// Jobs returns those of the jobs that exist.
func (tx *Tx) Jobs(ctx context.Context, ids []domain.JobID) (map[domain.JobID]domain.Job, error) {
	rows, err := selectIn[jobRow](ctx, tx, "id", ids)
	return mapOf(rows, func(r jobRow) (domain.JobID, domain.Job) { return r.ID, r.domain() }), tx.fail("jobs", err)
}

// JobsOfPerson returns the jobs that were started by the person, newest first, at most limit.
func (tx *Tx) JobsOfPerson(ctx context.Context, p domain.Person, limit int) ([]domain.Job, error) {
	var rows []jobRow
	err := tx.idb.NewSelect().Model(&rows).Where("person_kind = ? AND person_id = ?", p.Kind, p.ID).
		OrderExpr("created_at DESC, id").Limit(int64(limit)).Scan(ctx)
	return domainOf(rows, jobRow.domain), tx.fail("jobs of person", err)
}

// JobFile returns the content of a job's file, or ErrNotFound.
func (tx *Tx) JobFile(ctx context.Context, id domain.JobID, name string) ([]byte, error) {
	var row jobFileRow
	err := tx.idb.NewSelect().Model(&row).Where("job_id = ? AND name = ?", id, name).Scan(ctx)
	return row.Content, tx.fail("job file", err)
}

// UpdateJob replaces a job: every column but id and creation time.
func (tx *Tx) UpdateJob(ctx context.Context, job domain.Job) error {
	row := jobRowOf(job)
	res, err := tx.idb.NewUpdate().Model(&row).ExcludeColumn("created_at").WherePK().Exec(ctx)
	return tx.changed("update job", res, err)
}

// Lease says who works on a job, and until when nobody else may.
type Lease struct {
	Holder string // a new id for each try
	Now    time.Time
	Until  time.Time
}

// ClaimJob gives the oldest job that waits, or that was running under a lease which has ended, to the holder of the lease,
// and returns it. With an id it is this job and no other one; its holder may claim it again. It is ErrNotFound when there
// is nothing to claim. Of several processes that claim at once each gets another job.
func (tx *Tx) ClaimJob(ctx context.Context, id domain.JobID, l Lease) (domain.Job, error) {
	for {
		var row jobRow
		q := tx.idb.NewSelect().Model(&row).Where(jobFree, domain.JobQueued, domain.JobRunning, millis{l.Now}, l.Holder).OrderExpr("created_at, id").Limit(1)
		if id != "" {
			q = q.Where("id = ?", id)
		}
		if err := q.Scan(ctx); err != nil {
			return domain.Job{}, tx.fail("claim job", err)
		}
		n, err := tx.affected(ctx, "claim job", tx.idb.NewUpdate().Model((*jobRow)(nil)).
			Set("state = ?, lease_holder = ?, lease_until = ?", domain.JobRunning, l.Holder, millis{l.Until}).
			Where("id = ?", row.ID).Where(jobFree, domain.JobQueued, domain.JobRunning, millis{l.Now}, l.Holder))
		if err != nil {
			return domain.Job{}, err
		}
		if n == 1 { // else somebody else was faster
			row.State = domain.JobRunning
			return row.domain(), nil
		}
	}
}

// jobFree is the condition under which a job may be claimed.
const jobFree = "(state = ? OR (state = ? AND (lease_until IS NULL OR lease_until <= ? OR lease_holder = ?)))"

// RenewJob moves the end of a lease. It is ErrLeaseLost when the holder has it no more.
func (tx *Tx) RenewJob(ctx context.Context, id domain.JobID, l Lease) error {
	n, err := tx.affected(ctx, "renew job", tx.idb.NewUpdate().Model((*jobRow)(nil)).Set("lease_until = ?", millis{l.Until}).
		Where("id = ? AND lease_holder = ? AND state = ?", id, l.Holder, domain.JobRunning))
	if err == nil && n == 0 {
		err = tx.fail("renew job", ErrLeaseLost)
	}
	return err
}

// UpdateHeldJob is UpdateJob by the holder of the job's lease. It is ErrLeaseLost when another one has taken over: what the
// transaction does must not be kept then. A job that it lets wait, or ends, has no holder any more.
func (tx *Tx) UpdateHeldJob(ctx context.Context, job domain.Job, holder string) error {
	row := jobRowOf(job)
	n, err := tx.affected(ctx, "update held job", tx.idb.NewUpdate().Model(&row).ExcludeColumn("created_at").WherePK().
		Where("lease_holder = ? AND state = ?", holder, domain.JobRunning))
	if err == nil && n == 0 {
		err = tx.fail("update held job", ErrLeaseLost)
	}
	return err
}

// EndJobLeases lets the jobs that were running wait again, and returns how many there were. It is for a process that is
// the only one on its database and starts: nobody works on them any more.
func (tx *Tx) EndJobLeases(ctx context.Context) (int, error) {
	q := tx.idb.NewUpdate().Model((*jobRow)(nil)).Set("state = ?", domain.JobQueued).Where("state = ?", domain.JobRunning)
	return tx.affected(ctx, "end job leases", q)
}

// DeleteJobFiles deletes the files of a job, which has no use for them any more.
func (tx *Tx) DeleteJobFiles(ctx context.Context, id domain.JobID) error {
	_, err := tx.idb.NewDelete().Model((*jobFileRow)(nil)).Where("job_id = ?", id).Exec(ctx)
	return tx.fail("delete job files", err)
}

// EachJob calls fn for every job, in the order of their ids, and ends at its first error.
func (tx *Tx) EachJob(ctx context.Context, fn func(domain.Job) error) error {
	next := func(after string) ([]domain.Job, error) {
		var rows []jobRow
		err := tx.idb.NewSelect().Model(&rows).ExcludeColumn("problems").Where("id > ?", after).OrderExpr("id").Limit(MaxPage).Scan(ctx)
		return domainOf(rows, jobRow.domain), tx.fail("each job", err)
	}
	return each(next, func(j domain.Job) string { return string(j.ID) }, fn)
}
