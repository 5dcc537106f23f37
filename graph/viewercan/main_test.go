package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGenerate_committed(t *testing.T) {
	want, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join("..", output))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s does not follow from the other files any more: run go generate ./graph\nwant:\n%s", output, want)
	}
}

func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	sdl := `
type Thing @can(permission: "view_thing") {
  name: String
  secret: String @can(permission: "view_secret")
  viewerCan: ThingViewerCan!
}
type Part @can(permission: "view_thing", of: "thing") {
  lock: String @can(permission: "open_thing")
}
extend type Mutation {
  openThing(input: OpenThingInput!): String @can(permission: "open_thing", of: "thing")
  openOther(input: OpenThingInput!): String @can(permission: "open_other", of: "other")
}
input OpenThingInput {
  thingId: ID!
  force: Boolean @can(permission: "force_thing")
}
`
	if err := os.WriteFile(filepath.Join(dir, "thing.graphqls"), []byte(sdl), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "type ThingViewerCan @goModel(model: \"" + goType + "\") {\n" +
		"  \"True when the caller may use `openThing` and `lock` here. Never refused.\"\n  openThing: Boolean! @answer(permission: \"open_thing\") @goField(name: \"Answer\")\n" +
		"  \"True when the caller may use `force` of `openThing` here. Never refused.\"\n  forceThing: Boolean! @answer(permission: \"force_thing\") @goField(name: \"Answer\")\n" +
		"  \"True when the caller may use `secret` here. Never refused.\"\n  viewSecret: Boolean! @answer(permission: \"view_secret\") @goField(name: \"Answer\")\n}\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant it to end with\n%s", got, want)
	}
}
