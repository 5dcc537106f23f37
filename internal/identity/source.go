package identity

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	fetchTimeout = 10 * time.Second
	firstBackOff = 500 * time.Millisecond
	maxBackOff   = 30 * time.Second

	// Renewals on demand are triggered by what strangers send (an unknown key id), so they are counted: the provider
	// gets at most maxRenewals of them in renewalWindow, whatever arrives here.
	maxRenewals   = 3
	renewalWindow = 30 * time.Second
)

// source keeps one thing that a provider publishes. It is fetched on first need, by one fetch at a time however many
// callers wait, and again in the background once it is older than refreshAfter. It is never used beyond maxAge. After
// a failed fetch the provider is left alone for a growing while; callers are told at once instead of waiting.
type source[T any] struct {
	issuer       string
	fetch        func(context.Context) (T, error)
	now          func() time.Time
	refreshAfter time.Duration
	maxAge       time.Duration
	failed       func(err error, wait time.Duration) // told of each failed fetch

	mu        sync.Mutex
	value     T
	fetchedAt time.Time     // zero until the first success
	flight    chan struct{} // of the fetch under way, closed when it ends; else nil
	failures  int           // in a row
	retryAt   time.Time
	err       error // of the last fetch
	renewals  [maxRenewals]time.Time
	oldest    int // index into renewals
}

// get gives the value, at most maxAge old. The error is an *UnavailableError, or that of ctx.
func (s *source[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	if age, ok := s.age(); ok {
		if age >= s.refreshAfter {
			s.start()
		}
		value := s.value
		s.mu.Unlock()
		return value, nil
	}
	return s.await(ctx)
}

// renew fetches the value anew and gives it, or gives the present one if that was done too often lately. Call get first.
func (s *source[T]) renew(ctx context.Context) (T, error) {
	s.mu.Lock()
	now := s.now()
	if s.flight == nil && !now.Before(s.retryAt) {
		if now.Sub(s.renewals[s.oldest]) < renewalWindow {
			value := s.value
			s.mu.Unlock()
			return value, nil
		}
		s.renewals[s.oldest] = now
		s.oldest = (s.oldest + 1) % maxRenewals
	}
	return s.await(ctx)
}

// age is that of the usable value; not ok if there is none. Needs mu.
func (s *source[T]) age() (time.Duration, bool) {
	age := s.now().Sub(s.fetchedAt)
	return age, !s.fetchedAt.IsZero() && age < s.maxAge
}

// start begins a fetch, unless one is under way or the provider is left alone. Needs mu.
func (s *source[T]) start() {
	if s.flight != nil || s.now().Before(s.retryAt) {
		return
	}
	s.flight = make(chan struct{})
	go s.run()
}

// run fetches for everyone who waits, so it does not end with the request that began it.
func (s *source[T]) run() {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	value, err := s.fetch(ctx)

	s.mu.Lock()
	s.err = err
	var wait time.Duration
	if err == nil {
		s.value, s.fetchedAt, s.failures, s.retryAt = value, s.now(), 0, time.Time{}
	} else {
		wait = backOff(s.failures)
		s.failures++
		s.retryAt = s.now().Add(wait)
	}
	close(s.flight)
	s.flight = nil
	s.mu.Unlock()
	if err != nil {
		s.failed(err, wait)
	}
}

// await starts or joins a fetch and gives what it brought. Needs mu and releases it.
func (s *source[T]) await(ctx context.Context) (T, error) {
	var none T
	s.start()
	if flight := s.flight; flight != nil {
		s.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return none, ctx.Err()
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if s.err != nil {
		return none, &UnavailableError{Issuer: s.issuer, RetryAfter: max(0, s.retryAt.Sub(s.now())), Err: s.err}
	}
	return s.value, nil
}

// backOff doubles from firstBackOff to maxBackOff; half of it is chance, so that replicas do not ask in step.
func backOff(failures int) time.Duration {
	d := maxBackOff
	if failures < 6 {
		d = min(maxBackOff, firstBackOff<<failures)
	}
	return d/2 + rand.N(d/2)
}
