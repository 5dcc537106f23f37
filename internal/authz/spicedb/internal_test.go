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
)

func pair(id string, p v1.CheckPermissionResponse_Permissionship) *v1.CheckBulkPermissionsPair {
	return &v1.CheckBulkPermissionsPair{
		Request:  &v1.CheckBulkPermissionsRequestItem{Resource: &v1.ObjectReference{ObjectType: "account", ObjectId: id}, Permission: "view_account"},
		Response: &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{Permissionship: p}},
	}
}

func TestAnswers(t *testing.T) {
	yes := v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	failed := pair("b", yes)
	failed.Response = &v1.CheckBulkPermissionsPair_Error{Error: &rpc.Status{Code: 13, Message: "broken"}}
	checks := []check{{"account", "a", "view_account"}, {"account", "b", "view_account"}}
	for name, second := range map[string][]*v1.CheckBulkPermissionsPair{
		"conditional": {pair("b", v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION)},
		"unspecified": {pair("b", v1.CheckPermissionResponse_PERMISSIONSHIP_UNSPECIFIED)},
		"unknown":     {pair("b", 99)},
		"in_error":    {failed},
		"empty":       {{Request: pair("b", yes).Request}},
		"nil":         {nil},
		"of_another":  {pair("c", yes)},
		"missing":     {},
		"one_more":    {pair("b", yes), pair("c", yes)},
	} {
		t.Run(name, func(t *testing.T) {
			allowed := make([]bool, 2)
			if err := answers(t.Context(), append([]*v1.CheckBulkPermissionsPair{pair("a", yes)}, second...), checks, allowed); err == nil || allowed[1] {
				t.Errorf("got %v, %v", allowed, err)
			}
		})
	}
	allowed := make([]bool, 2)
	if err := answers(t.Context(), []*v1.CheckBulkPermissionsPair{pair("a", yes), pair("b", v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION)}, checks, allowed); err != nil || !allowed[0] || allowed[1] {
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
