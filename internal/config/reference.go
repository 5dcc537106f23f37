package config

import (
	"fmt"
	"strings"
)

// Reference returns the page docs/configuration.md: every setting with its names, its default and its meaning.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Settings

This page is made from internal/config; ` + "`make generate`" + ` writes it anew.

Every setting can be given in three ways. A flag wins over the environment, the environment over the file, the file over
the default. The file is YAML and is named by ` + "`--config FILE`" + ` or ` + "`STEWARD_CONFIG`" + `; none is read unless named. An unknown key
in it is refused.

` + "```" + `
steward serve --listen 127.0.0.1:9000
STEWARD_LISTEN=127.0.0.1:9000 steward serve
steward serve --config steward.yaml
` + "```" + `

` + "```yaml" + `
# steward.yaml
listen: 127.0.0.1:9000
oidc-issuer: [https://login.example.com]
oidc-audience: [steward]
` + "```" + `

What can be given several times is a list in the file, and separated by commas in the environment. Zero, or an empty
value, means the default. All commands take the same settings, and read those that concern them.
`)
	all := settings()
	for _, g := range groups {
		rows := []string{}
		for _, s := range all {
			if s.group == g.key {
				rows = append(rows, row(s))
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n| flag | environment | key in the file | default | meaning |\n|---|---|---|---|---|\n%s\n", g.title, strings.Join(rows, "\n"))
		}
	}
	return b.String()
}

func row(s setting) string {
	deflt := "-"
	if s.deflt != "" {
		deflt = "`" + s.deflt + "`"
	}
	help := s.help
	if s.repeatable {
		help += " (a list)"
	}
	return fmt.Sprintf("| `--%s` | `%s` | `%s` | %s | %s |", s.name, envOf(s.name), s.name, deflt, strings.ReplaceAll(help, "|", "\\|"))
}
