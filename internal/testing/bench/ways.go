package main

import (
	"context"
	"fmt"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"steward/internal/authz"
	"steward/internal/relation"
	"steward/resolvers/node"
)

// The names of the ways.
const (
	floorEmbedded = "no guards, embedded"
	oursEmbedded  = "ours, warm, embedded"
	naiveEmbedded = "a check per permission, warm, embedded"
	floorServers  = "no guards, PostgreSQL"
	oursServers   = "ours, warm, PostgreSQL + Redis"
	oursRedis     = "ours, warm in Redis alone"
	coldEmbedded  = "ours, cold, embedded"
	bulkEmbedded  = "one bare bulk check, cold, embedded"
	coldServers   = "ours, cold, PostgreSQL"
	bulkServers   = "one bare bulk check, cold, PostgreSQL"
)

func warmWays(embedded, servers *site) []way {
	return []way{
		{name: floorEmbedded, do: embedded.get(embedded.floor)},
		{name: oursEmbedded, do: embedded.get(embedded.ours)},
		{name: naiveEmbedded, do: embedded.get(embedded.naive)},
		{name: floorServers, do: servers.get(servers.floor)},
		{name: oursServers, do: servers.get(servers.ours)},
		{name: oursRedis, do: servers.get(servers.noMemory)},
	}
}

func coldWays(sites ...*site) []way {
	names := [][2]string{{coldEmbedded, bulkEmbedded}, {coldServers, bulkServers}}
	var ways []way
	for i, s := range sites {
		ways = append(ways,
			way{name: names[i][0], prepare: s.chill, do: s.get(s.ours)},
			way{name: names[i][1], prepare: s.chill, do: s.bulk})
	}
	return ways
}

// chill ends all that is kept: ours by a new generation, SpiceDB's own by a new revision.
func (s *site) chill(ctx context.Context) error {
	s.chilled = !s.chilled
	update := relation.Update{Delete: s.chilled, Relationship: "platform:steward#support@user:bench"}
	if err := s.SpiceDB.Write(ctx, "", []relation.Update{update}); err != nil {
		return err
	}
	return s.Changes.BumpGlobal(ctx)
}

// questions are what the page asks of its contacts.
func (s *site) questions(ctx context.Context) ([]authz.Question, error) {
	contacts, err := s.contacts(ctx)
	var qs []authz.Question
	for _, c := range contacts {
		for _, p := range s.policy.Permissions(relation.TypeContact) {
			qs = append(qs, authz.Question{Ref: node.NewContact(c).Ref(), Permission: p})
		}
	}
	return qs, err
}

// bulk asks what the page asks, in one CheckBulkPermissions and by nothing of ours.
func (s *site) bulk(ctx context.Context) error {
	token, err := s.SpiceDB.Fence(ctx)
	if err != nil {
		return err
	}
	at := &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: &v1.ZedToken{Token: token}}}
	subject := &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: string(s.owner.Person.Kind), ObjectId: s.owner.Person.ID}}
	request := &v1.CheckBulkPermissionsRequest{Consistency: at}
	for _, q := range s.asked {
		request.Items = append(request.Items, &v1.CheckBulkPermissionsRequestItem{
			Resource: &v1.ObjectReference{ObjectType: q.Ref.Type, ObjectId: q.Ref.ID}, Permission: q.Permission, Subject: subject,
		})
	}
	got, err := v1.NewPermissionsServiceClient(s.SpiceDB.Conn()).CheckBulkPermissions(ctx, request)
	if err == nil && len(got.GetPairs()) != len(request.GetItems()) {
		err = fmt.Errorf("%d answers to %d questions", len(got.GetPairs()), len(request.GetItems()))
	}
	return err
}

// allocations returns those of a warm bulk check, for each item.
func allocations(ctx context.Context, s *site) (float64, error) {
	check := func() error {
		_, err := s.SpiceDB.Check(ctx, authz.SubjectOf(s.owner.Person), s.asked)
		return err
	}
	if err := check(); err != nil {
		return 0, err
	}
	var err error
	n := testing.AllocsPerRun(20, func() {
		if e := check(); e != nil {
			err = e
		}
	})
	if err != nil {
		return 0, fmt.Errorf("allocations: %w", err)
	}
	return n / float64(len(s.asked)), nil
}
