package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// EnvPrefix begins the environment variable of every setting.
const EnvPrefix = "STEWARD_"

// Flags are the settings as a command line takes them. Embed it in a program's root command:
//
//	var cli struct {
//		config.Flags
//		Serve serveCommand `cmd:""`
//	}
//	parser, err := kong.New(&cli, config.Options()...)
//
// After parsing, Settings returns what was given with the defaults filled in.
type Flags struct {
	File string `name:"config" group:"settings" placeholder:"FILE" help:"YAML file with settings: each key is a flag's name without the dashes."`
	// Given is what was given, without defaults.
	Given given `embed:""`
}

// given is Config without its methods: kong would call Validate before the defaults are filled in.
type given Config

// Settings returns the settings with their defaults, or the *SettingErrors of those that cannot work.
func (f *Flags) Settings() (Config, error) {
	c := Config(f.Given)
	c.SetDefaults()
	return c, c.Validate()
}

var groups = []struct{ key, title string }{
	{"serving", "Serving"}, {"parts", "Database, SpiceDB, Redis"}, {"observing", "Observing"}, {"sign-in", "Sign-in"}, {"mail", "Mail"}, {"logging", "Logging"}, {"limits", "Limits of a request"}, {"settings", "Where settings come from"},
}

// Options returns what kong needs to read Flags from the environment and the settings file.
func Options() []kong.Option {
	titles := kong.Groups{}
	for _, g := range groups {
		titles[g.key] = g.title + ":"
	}
	names, defaults := map[string]bool{}, map[string]string{}
	for _, s := range settings() {
		names[s.name], defaults[s.name] = true, s.deflt
	}
	return []kong.Option{
		titles,
		kong.Resolvers(&file{known: names}),
		kong.PostBuild(func(k *kong.Kong) error {
			for _, flag := range k.Model.Flags {
				if names[flag.Name] || flag.Name == "config" {
					flag.Envs = []string{envOf(flag.Name)}
					flag.Tag.Envs = flag.Envs
				}
			}
			return nil
		}),
		kong.ValueFormatter(func(v *kong.Value) string {
			help := kong.DefaultHelpValueFormatter(v)
			if d := defaults[v.Name]; d != "" && len(v.Tag.Envs) > 0 {
				help += " Default: " + d + "."
			}
			return help
		}),
	}
}

// setting is what the reference says of one flag.
type setting struct {
	group, name, help, deflt string
	repeatable               bool
}

// plain are the settings whose environment variables carry the names that platforms give them.
var plain = []string{"database-url", "spicedb-endpoint", "spicedb-key", "spicedb-ca", "redis-url", "redis-ca"}

func envOf(name string) string {
	if slices.Contains(plain, name) {
		return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	}
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// settings returns every setting in the order of Config.
func settings() []setting {
	var c Config
	c.SetDefaults()
	flags := struct {
		Given given `embed:""`
	}{given(c)}
	var out []setting
	for _, f := range kong.Must(&flags, kong.NoDefaultHelp()).Model.Flags {
		out = append(out, setting{f.Group.Key, f.Name, f.Help, text(f.Target), f.IsSlice()})
	}
	return out
}

// text returns a default as it would be typed, "" for none.
func text(v reflect.Value) string {
	if v.IsZero() {
		return ""
	}
	return fmt.Sprint(v.Interface())
}
