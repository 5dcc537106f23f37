package rediscache_test

import (
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"steward/internal/testing/servers"
)

// wire stands between the cache and Redis and counts round trips: how often an answer follows a question.
type wire struct {
	addr  string
	turns atomic.Int64
}

func tap(t testing.TB, r *servers.RedisServer) *wire { return tapOn(t, r, "127.0.0.1:0") }

func tapOn(t testing.TB, r *servers.RedisServer, addr string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port)))
			if err != nil {
				in.Close()
				continue
			}
			all.Go(func() { w.join(in, out) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return w
}

func (w *wire) join(in, out net.Conn) {
	var asking atomic.Bool // the last bytes were a question
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(in, turning{out, func() {
			if asking.CompareAndSwap(true, false) {
				w.turns.Add(1)
			}
		}})
		in.Close()
	}()
	io.Copy(out, turning{in, func() { asking.Store(true) }})
	out.Close()
	<-back
}

type turning struct {
	io.Reader
	read func()
}

func (t turning) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if n > 0 {
		t.read()
	}
	return n, err
}
