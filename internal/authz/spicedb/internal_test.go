package spicedb

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func pairOf(id string, p v1.CheckPermissionResponse_Permissionship) *v1.CheckBulkPermissionsPair {
	return &v1.CheckBulkPermissionsPair{
		Request:  &v1.CheckBulkPermissionsRequestItem{Resource: &v1.ObjectReference{ObjectType: "account", ObjectId: id}, Permission: "view_account"},
		Response: &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{Permissionship: p}},
	}
}

// onTheWire returns pairs as they arrive.
func onTheWire(t *testing.T, all []*v1.CheckBulkPermissionsPair) *pairs {
	t.Helper()
	raw, err := proto.Marshal(&v1.CheckBulkPermissionsResponse{CheckedAt: &v1.ZedToken{Token: "t"}, Pairs: all})
	if err != nil {
		t.Fatal(err)
	}
	return &pairs{raw}
}

// Whatever is on the wire is read as the message of it is, or refused.
func FuzzPairs(f *testing.F) {
	raw, _ := proto.Marshal(&v1.CheckBulkPermissionsResponse{Pairs: []*v1.CheckBulkPermissionsPair{pairOf("a", 2), pairOf("b", 1)}})
	f.Add(raw)
	f.Add(raw[:len(raw)-1])
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want v1.CheckBulkPermissionsResponse
		if proto.Unmarshal(raw, &want) != nil {
			return // also what we cannot tell is broken, such as texts that are not UTF-8
		}
		got := &pairs{raw}
		n, err := got.each(func(i int, p pair) error {
			r := want.GetPairs()[i].GetRequest()
			if string(p.id) != r.GetResource().GetObjectId() && len(p.id) > 0 {
				t.Errorf("pair %d: id %q, want %q", i, p.id, r.GetResource().GetObjectId())
			}
			return nil
		})
		if err != nil || n != len(want.GetPairs()) {
			t.Errorf("%d pairs (%v), want %d", n, err, len(want.GetPairs()))
		}
	})
}

func TestAnswers(t *testing.T) {
	yes := v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	failed := pairOf("b", yes)
	failed.Response = &v1.CheckBulkPermissionsPair_Error{Error: &rpc.Status{Code: 13, Message: "broken"}}
	checks := []check{{"account", "a", "view_account"}, {"account", "b", "view_account"}}
	for name, second := range map[string][]*v1.CheckBulkPermissionsPair{
		"conditional": {pairOf("b", v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION)},
		"unspecified": {pairOf("b", v1.CheckPermissionResponse_PERMISSIONSHIP_UNSPECIFIED)},
		"unknown":     {pairOf("b", 99)},
		"in_error":    {failed},
		"empty":       {{Request: pairOf("b", yes).Request}},
		"nil":         {nil},
		"of_another":  {pairOf("c", yes)},
		"missing":     {},
		"one_more":    {pairOf("b", yes), pairOf("c", yes)},
	} {
		t.Run(name, func(t *testing.T) {
			allowed := make([]bool, 2)
			if err := answers(t.Context(), onTheWire(t, append([]*v1.CheckBulkPermissionsPair{pairOf("a", yes)}, second...)), checks, allowed); err == nil || allowed[1] {
				t.Errorf("got %v, %v", allowed, err)
			}
		})
	}
	allowed := make([]bool, 2)
	if err := answers(t.Context(), onTheWire(t, []*v1.CheckBulkPermissionsPair{pairOf("a", yes), pairOf("b", v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION)}), checks, allowed); err != nil || !allowed[0] || allowed[1] {
		t.Errorf("got %v, %v", allowed, err)
	}
}

// A write waits for a clock that was set back, so that no revision is filed before an older one.
func TestWaitPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		last := begin.Add(3 * time.Second).UnixNano()
		if err := waitPast(t.Context(), last, wallClock); err != nil || wallClock() <= last {
			t.Errorf("it is %v after the start, got %v", time.Since(begin), err)
		}
		begin = time.Now()
		if err := waitPast(t.Context(), last, wallClock); err != nil || time.Since(begin) != 0 {
			t.Errorf("waited %v, got %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := waitPast(ctx, begin.Add(time.Hour).UnixNano(), wallClock); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// What another transaction stood in the way of is tried again, a few times and not for longer than the caller waits.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for name, x := range map[string]struct {
			ctx      context.Context
			failures int
			code     codes.Code
			want     int
			ok       bool
		}{
			"at_once":      {t.Context(), 0, codes.Aborted, 1, true},
			"conflicts":    {t.Context(), 3, codes.Aborted, 4, true},
			"duplicate":    {t.Context(), 1, codes.AlreadyExists, 2, true},
			"always":       {t.Context(), 100, codes.Aborted, attempts, false},
			"another":      {t.Context(), 100, codes.Unavailable, 1, false},
			"no_time_left": {short, 100, codes.Aborted, 1, false},
		} {
			calls := 0
			err := again(x.ctx, func() error {
				if calls++; calls <= x.failures {
					return status.Error(x.code, "no")
				}
				return nil
			})
			if calls != x.want || (err == nil) != x.ok {
				t.Errorf("%s: %d calls, %v", name, calls, err)
			}
		}
	})
}
