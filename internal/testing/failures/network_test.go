package failures_test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// slowNetwork returns the URL of a database as somebody far away reaches it: most answers come at once, some take a while.
func slowNetwork(t *testing.T, database string, n uint64, one int, delay time.Duration) string {
	t.Helper()
	u, err := url.Parse(database)
	try(t, "the database's URL", err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, "listen", err)
	t.Cleanup(func() { _ = l.Close() })
	w := &wire{to: u.Host, one: one, delay: delay, chance: rand.New(rand.NewPCG(n, 7))}
	go w.serve(l)
	u.Host = l.Addr().String()
	return u.String()
}

// wire passes connections on, and holds back one in so many of what comes back.
type wire struct {
	to    string
	one   int
	delay time.Duration

	mu     sync.Mutex
	chance *rand.Rand
}

func (w *wire) serve(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go w.pass(near)
	}
}

func (w *wire) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := far.Read(buffer)
		if err != nil {
			return
		}
		if w.slow() {
			time.Sleep(w.delay) // this is the network, and nobody waits for it to be over
		}
		if _, err := near.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *wire) slow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.chance.IntN(w.one) == 0
}
