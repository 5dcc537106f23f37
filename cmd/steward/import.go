package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"steward/internal/app"
	"steward/internal/domain"
)

type importCommand struct {
	Accounts importAccounts `cmd:"" help:"Import accounts and their contacts from CSV files, all rows or none."`
}

type importAccounts struct {
	AccountsFile string `arg:"" name:"accounts.csv" help:"Companies. A dash (-): none, the contacts are for accounts that exist."`
	ContactsFile string `arg:"" name:"contacts.csv" help:"Their contacts."`
	DryRun       bool   `help:"Check only, and list each faulty line."`
	Invite       bool   `help:"Invite the imported contacts by mail. Owners are always invited."`
	As           string `placeholder:"E" help:"Whose rights the import is done with: the e-mail address of a user. Default: the one person with the accounting role."`
	Reference    string `placeholder:"R" help:"The recorded request on which it is done, for the audit log."`
	Reason       string `placeholder:"T" help:"Why, in a sentence. Goes with --reference."`
}

// Validate wants a whole request or none.
func (c importAccounts) Validate() error {
	if (c.Reference == "") != (c.Reason == "") {
		return errors.New("--reference and --reason go together")
	}
	return nil
}

// Run imports into a data directory that no server holds.
func (c importAccounts) Run(e *environment) error {
	in := app.Import{DryRun: c.DryRun, Invite: c.Invite, As: c.As, Reference: c.Reference, Reason: c.Reason}
	var err error
	if c.AccountsFile != "-" {
		if in.Accounts, err = readFile(c.AccountsFile); err != nil {
			return err
		}
	}
	if in.Contacts, err = readFile(c.ContactsFile); err != nil {
		return err
	}
	in.Actor = func(who string) { fmt.Fprintf(e.err, "importing with the rights of %s\n", who) }
	bar := newBar(e.err)
	in.Progress = bar.tell
	job, err := app.RunImport(e.ctx, e.cfg, e.log(slog.LevelWarn), in)
	bar.end()
	if err != nil {
		return err
	}
	return c.report(e, job)
}

// report prints what was done, or each faulty line.
func (c importAccounts) report(e *environment, job domain.Job) error {
	if len(job.Problems) > 0 {
		names := map[string]string{"accounts": c.AccountsFile, "contacts": c.ContactsFile}
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		for _, p := range job.Problems {
			fmt.Fprintf(w, "%s:%d\t%s\t%s — %s\n", names[p.File], p.Line, p.Column, p.Message, p.Mend)
		}
		_ = w.Flush()
		fmt.Fprintf(e.err, "steward: %d faults, nothing was imported\n", len(job.Problems))
		return errReported
	}
	if job.State != domain.JobDone {
		return fmt.Errorf("the import ended as %s", job.State)
	}
	done := "imported"
	if job.DryRun {
		done = "to import"
	}
	s := job.Summary
	_, err := fmt.Fprintf(e.out, "%d accounts and %d contacts %s; %d accounts and %d contacts were there already\n",
		s.AccountsCreated, s.ContactsCreated, done, s.AccountsUnchanged, s.ContactsUnchanged)
	return err
}

// readFile reads a file no further than an import takes, which then refuses it.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var content []byte
		if content, err = io.ReadAll(io.LimitReader(f, app.MaxImportBytes+1)); err == nil {
			return content, nil
		}
	}
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return nil, fmt.Errorf("%s cannot be read: %w", path, err)
}

// bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	on  bool
	w   io.Writer
	bar *progressbar.ProgressBar
}

func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	return &bar{on: ok && term.IsTerminal(int(f.Fd())), w: w}
}

func (b *bar) tell(done, total int) {
	if !b.on || total == 0 {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription("rows"),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	}
	_ = b.bar.Set(done)
}

func (b *bar) end() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
