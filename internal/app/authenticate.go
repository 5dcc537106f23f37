package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/identity"
	"steward/internal/service"
	"steward/internal/store"
)

// authenticator says who calls.
type authenticator struct {
	service   *service.Service
	verifiers *identity.Verifiers
	timeout   time.Duration // the operation's own begins only after sign-in
}

// authenticate returns the request's context with the actor in it: nobody without an Authorization header, else whom its
// token signs in, else an error.
func (a *authenticator) authenticate(r *http.Request) (context.Context, error) {
	text, given, err := identity.Bearer(r)
	if err != nil {
		return nil, err
	}
	if !given {
		return r.Context(), nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	actor, err := a.signIn(ctx, text)
	if err != nil {
		if domain.CodeOf(err) == domain.CodeUnavailable || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrBusy) || errors.Is(err, context.DeadlineExceeded) {
			return nil, unavailable{err}
		}
		return nil, err
	}
	return authz.WithActor(r.Context(), actor), nil
}

// callerOf names the person who calls, whatever they signed in with.
func callerOf(ctx context.Context) string {
	if actor := authz.ActorFrom(ctx); !actor.Anonymous() {
		return actor.Person.String()
	}
	return ""
}

func (a *authenticator) signIn(ctx context.Context, token string) (domain.Actor, error) {
	if identity.IsAPIToken(token) {
		id, hash, ok := identity.ParseAPIToken(token)
		if !ok {
			return domain.Actor{}, identity.ErrInvalidToken
		}
		return a.service.SignInToken(ctx, domain.APITokenID(id), hash)
	}
	claims, err := a.verifiers.Verify(ctx, token)
	if err != nil {
		return domain.Actor{}, err
	}
	return a.service.SignIn(ctx, store.Login{
		Issuer: claims.Issuer, Subject: claims.Subject, Email: claims.Email, EmailVerified: claims.EmailVerified, Name: claims.Name,
	})
}

// unavailable tells the front door that it is not the caller's fault.
type unavailable struct{ error }

// Unavailable is true.
func (unavailable) Unavailable() bool { return true }

// Unwrap returns the cause.
func (u unavailable) Unwrap() error { return u.error }
