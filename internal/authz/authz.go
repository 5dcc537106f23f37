// Package authz is the engine: it reads the policy from the SDL, plans which permissions an answer needs, asks for all of
// them at once, and lets each field answer from what came back.
//
// One request passes through it so: Extension.InterceptField sees an object that a resolver returned; plan.go works out,
// level by level, every permission that the selection below it needs and asks the Checker once for each level; guard.go
// answers each field from the bits that are held with the object. policy.go holds what the SDL says; page.go builds
// connections that show only what the caller sees.
package authz

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/domain"
)

// Ref names an object of SpiceDB. Tenant is the account that it belongs to. What belongs to no account has a Holder, the
// person who made it, or neither: that is the platform.
type Ref struct {
	Type, ID string
	Tenant   domain.AccountID
	Holder   domain.Person
}

// Scope returns whose generation the answers about the object depend on, beside the global one; "" for none.
func (r Ref) Scope() string {
	switch {
	case r.Tenant != "":
		return string(r.Tenant)
	case !r.Holder.IsZero():
		return ScopeOf(r.Holder)
	}
	return ""
}

// ScopeOf returns the scope of what belongs to a person and to no account: their own tokens and jobs.
func ScopeOf(p domain.Person) string { return "of:" + p.String() }

// Subject is who asks, as SpiceDB knows them: a "user" or a "service_account".
type Subject struct{ Type, ID string }

// SubjectOf returns the subject that a person is.
func SubjectOf(p domain.Person) Subject { return Subject{Type: string(p.Kind), ID: p.ID} }

// Question is one permission on one object.
type Question struct {
	Ref        Ref
	Permission string
}

// Ask is what a wave wants to know of one object: a bit for each permission, numbered as Policy.Permissions has them.
type Ask struct {
	Ref  Ref
	Bits uint64
}

// Checker answers a wave: all that one level of a query asks of one subject. An error answers none of it, and nothing is
// allowed by it. No answer is from before a change of rights that had returned when Check was called.
type Checker interface {
	Check(ctx context.Context, sub Subject, asks []Ask) (Answer, error)
}

// Answer holds the bits that are allowed for each ask, in their order.
type Answer struct {
	Allowed []uint64
	At      Vector
}

// GlobalScope is the scope that every answer depends on: users, who is staff, and what nobody knows the reach of. A change
// that locks it runs alone.
const GlobalScope = "global"

// Vector is what answers are true of: the generation of each scope that they depend on. A change of rights gives the
// scopes that it touches new ones.
type Vector struct {
	Incarnation string   // of the database that gave the generations
	Scopes      []string // sorted
	Generations []string // in the order of Scopes
}

// Of returns the generation of a scope, "" for one that is not part of the vector.
func (v Vector) Of(scope string) string {
	if i, ok := slices.BinarySearch(v.Scopes, scope); ok {
		return v.Generations[i]
	}
	return ""
}

// MovedSince reports whether a scope that both vectors hold has got another generation.
func (v Vector) MovedSince(earlier Vector) bool {
	if v.Incarnation != earlier.Incarnation {
		return true
	}
	for i, scope := range v.Scopes {
		if n, ok := slices.BinarySearch(earlier.Scopes, scope); ok && earlier.Generations[n] != v.Generations[i] {
			return true
		}
	}
	return false
}

// Live answers questions of one subject, in their order, past everything that is kept. An error answers none of them.
type Live interface {
	Check(ctx context.Context, sub Subject, qs []Question) ([]bool, error)
}

// Object is a Go value behind a guarded GraphQL object. Embed Node to be one.
type Object interface{ guarded() *Node }

// Node is what a guarded object carries through one request: its place in SpiceDB, the answers that are known for it,
// and the children that the planner has loaded ahead. It lives for one request and one place in the answer.
type Node struct {
	typ string
	*answers
}

type answers struct {
	ref            Ref
	known, allowed atomic.Uint64 // a bit per permission of the definition, see Policy
	mu             sync.Mutex
	slots          map[*ast.Field]slot
}

// slot is a child that was loaded ahead for one field of the query.
type slot struct {
	value any
	err   error
}

// NewNode returns the node of an object of the GraphQL type typ.
func NewNode(typ string, ref Ref) Node { return Node{typ, &answers{ref: ref}} }

// As returns a node of another GraphQL type for the same object of SpiceDB, sharing its answers. It serves types that are
// a part of their parent, as an invitation is of its contact.
func (n Node) As(typ string) Node { return Node{typ, n.answers} }

func (n *Node) guarded() *Node { return n }

// Ref returns the object's place in SpiceDB.
func (n *Node) Ref() Ref { return n.ref }

func (n *Node) can(bits uint64) bool { return n.allowed.Load()&bits == bits }

func (n *Node) slot(f *ast.Field) (slot, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.slots[f]
	return s, ok
}

func (n *Node) setSlot(f *ast.Field, s slot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.slots == nil {
		n.slots = make(map[*ast.Field]slot, 2)
	}
	n.slots[f] = s
}

type actorKey struct{}

// WithActor returns a context that carries who makes the request.
func WithActor(ctx context.Context, a domain.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns who makes the request; the zero Actor is nobody.
func ActorFrom(ctx context.Context) domain.Actor {
	a, _ := ctx.Value(actorKey{}).(domain.Actor)
	return a
}
