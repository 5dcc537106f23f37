package mail_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/mail"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/store/sqlite"
	"steward/internal/testing/servers"
)

// replicas runs a test on each engine, with a way to open one database several times.
func replicas(t *testing.T, run func(t *testing.T, open func() *store.DB)) {
	for name, fresh := range map[string]func(t *testing.T) func() (*store.DB, error){
		"sqlite": func(t *testing.T) func() (*store.DB, error) {
			path := filepath.Join(t.TempDir(), "steward.db")
			return func() (*store.DB, error) { return sqlite.Open(t.Context(), path, sqlite.MigrateFirst()) }
		},
		"postgres": func(t *testing.T) func() (*store.DB, error) {
			url := servers.Postgres(t).URL
			if err := postgres.Migrate(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			return func() (*store.DB, error) { return postgres.Open(t.Context(), url) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := fresh(t)
			run(t, func() *store.DB {
				t.Helper()
				db, err := open()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { db.Close() })
				return db
			})
		})
	}
}

// TestWorkers_sendEachMessageOnce lets three replicas send at once.
func TestWorkers_sendEachMessageOnce(t *testing.T) {
	t.Parallel()
	replicas(t, func(t *testing.T, open func() *store.DB) {
		const mails = 45
		server, db := startSMTP(t), open()
		now := time.Now()
		for i := range mails {
			write(t, db, now.Add(-time.Minute), fmt.Sprintf("p%d@brueckner.example", i))
		}
		var wg sync.WaitGroup
		for range 3 {
			sender, err := mail.NewSMTP("smtp://"+server.addr, "steward@provider.example")
			if err != nil {
				t.Fatal(err)
			}
			w := mail.NewWorker(open(), sender, time.Now, quiet())
			wg.Go(func() {
				if err := w.SendDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := server.messages()
		for i := range mails {
			to, n := fmt.Sprintf("RCPT TO:<p%d@brueckner.example>", i), 0
			for _, m := range got {
				n += strings.Count(m, to)
			}
			if n != 1 {
				t.Errorf("%s was sent %d times", to, n)
			}
		}
	})
}

// stuck is a sender that says when it has begun, and ends when it is told to.
type stuck struct {
	mail.Sender
	begun chan domain.MailID
	goOn  chan struct{}
}

func (s stuck) Send(ctx context.Context, m domain.Mail) error {
	s.begun <- m.ID
	select {
	case <-s.goOn:
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.Sender.Send(ctx, m)
}

// TestWorkers_takeOver has one replica stand still with what it has claimed: another one takes over when the claim has
// ended, and the first one then does not send what it had not begun with, and does not undo the other's note.
func TestWorkers_takeOver(t *testing.T) {
	t.Parallel()
	replicas(t, func(t *testing.T, open func() *store.DB) {
		server, db := startSMTP(t), open()
		c := &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
		sender, err := mail.NewSMTP("smtp://"+server.addr, "steward@provider.example")
		if err != nil {
			t.Fatal(err)
		}
		write(t, db, c.now().Add(-time.Minute), "first@brueckner.example")
		write(t, db, c.now(), "second@brueckner.example")
		slow := stuck{sender, make(chan domain.MailID, 2), make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- mail.NewWorker(open(), slow, c.now, quiet()).SendDue(t.Context()) }()
		<-slow.begun
		other := mail.NewWorker(open(), sender, c.now, quiet())
		if err := other.SendDue(t.Context()); err != nil || len(server.messages()) != 0 {
			t.Fatalf("what is claimed was sent: %q (%v)", server.messages(), err)
		}
		c.add(time.Hour)
		if err := other.SendDue(t.Context()); err != nil || len(server.messages()) != 2 {
			t.Fatalf("what nobody sends was not taken over: %q (%v)", server.messages(), err)
		}
		noted := find(t, db, "first@brueckner.example")
		c.add(time.Minute)
		close(slow.goOn) // the first worker wakes up within its sending: this message is sent twice, under one id
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := server.messages(); len(got) != 3 || strings.Count(strings.Join(got, ""), "RCPT TO:<second@") != 1 {
			t.Errorf("sent were %q, want the second message once", got)
		}
		if m := find(t, db, "first@brueckner.example"); !m.SentAt.Equal(noted.SentAt) || m.Attempts != 1 {
			t.Errorf("the row is %+v, want it as the second worker has left it: %+v", m, noted)
		}
	})
}

// TestWorker_shutdownReleases ends a worker within its work: what it had claimed and not sent is due at once.
func TestWorker_shutdownReleases(t *testing.T) {
	t.Parallel()
	replicas(t, func(t *testing.T, open func() *store.DB) {
		server, db := startSMTP(t), open()
		c := &clock{at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
		sender, err := mail.NewSMTP("smtp://"+server.addr, "steward@provider.example")
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"first@brueckner.example", "second@brueckner.example"} {
			write(t, db, c.now(), to)
		}
		slow := stuck{sender, make(chan domain.MailID, 2), make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); mail.NewWorker(open(), slow, c.now, quiet()).Run(ctx) }()
		<-slow.begun
		stop()
		<-ended
		if err := mail.NewWorker(open(), sender, c.now, quiet()).SendDue(t.Context()); err != nil || len(server.messages()) != 2 {
			t.Errorf("sent were %q (%v), want both", server.messages(), err)
		}
		if m := find(t, db, "first@brueckner.example"); m.Attempts != 1 {
			t.Errorf("the row is %+v, want one try: the shutdown is none", m)
		}
	})
}
