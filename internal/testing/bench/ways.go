package main

import (
	"context"
	"fmt"
	"testing"

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

// bulk asks what the page asks, and nothing else.
func (s *site) bulk(ctx context.Context) error {
	if s.asked == nil {
		qs, err := s.questions(ctx)
		if err != nil {
			return err
		}
		s.asked = qs
	}
	_, err := s.SpiceDB.Check(ctx, authz.SubjectOf(s.owner.Person), s.asked)
	return err
}

// allocations returns those of a warm bulk check, for each item.
func allocations(ctx context.Context, s *site) (float64, error) {
	if err := s.bulk(ctx); err != nil {
		return 0, err
	}
	var err error
	n := testing.AllocsPerRun(20, func() {
		if e := s.bulk(ctx); e != nil {
			err = e
		}
	})
	if err != nil {
		return 0, fmt.Errorf("allocations: %w", err)
	}
	return n / float64(len(s.asked)), nil
}
