package main

import (
	"fmt"
	"slices"
	"strings"
)

// draw returns the pictures: one of the definitions and what relates them, and one of each definition's permissions.
func draw(defs []definition) string {
	var b strings.Builder
	b.WriteString("\n### What there is\n\nAn arrow reads \"has as\": an account has contacts as its `owner`, its `admin` and so on.\n\n")
	overview(&b, defs)
	for _, d := range defs {
		if len(d.permissions) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", d.name, d.comment)
		permissions(&b, d)
		inWords(&b, d)
	}
	b.WriteString("\n")
	return b.String()
}

// overview draws each definition as a box, and one arrow for all relations from one to another.
func overview(b *strings.Builder, defs []definition) {
	b.WriteString("```mermaid\nflowchart LR\n")
	for _, d := range defs {
		fmt.Fprintf(b, "  %s[%s]\n", box(d.name), d.name)
	}
	for _, d := range defs {
		var order []string
		names := map[string][]string{}
		for _, r := range d.relations {
			for _, s := range r.subjects {
				if names[s] == nil {
					order = append(order, s)
				}
				names[s] = append(names[s], r.name)
			}
		}
		for _, s := range order {
			to, part, _ := strings.Cut(s, "#")
			label := strings.Join(names[s], "<br>")
			if part != "" {
				label += "<br>(its " + part + ")"
			}
			fmt.Fprintf(b, "  %s -->|\"%s\"| %s\n", box(d.name), label, box(to))
		}
	}
	b.WriteString("```\n")
}

// permissions draws how each permission of a definition is made: from relations, from other permissions, and from what
// another object answers.
func permissions(b *strings.Builder, d definition) {
	p := &picture{def: d, seen: map[string]bool{}}
	for _, perm := range d.permissions {
		p.node(fmt.Sprintf("%s([%s])", box(perm.name), perm.name))
		p.into(box(perm.name), perm.expr)
	}
	fmt.Fprintf(b, "```mermaid\nflowchart LR\n  classDef relation fill:#e8eef7,stroke:#1f3a5f,color:#14253d\n  classDef elsewhere fill:#fff,stroke:#1f3a5f,stroke-dasharray:4 3,color:#14253d\n")
	for _, line := range slices.Concat(p.nodes, p.edges) {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString("```\n")
}

// inWords says the same as a table, for those who look one permission up.
func inWords(b *strings.Builder, d definition) {
	b.WriteString("\n| permission | who has it |\n|---|---|\n")
	for _, p := range d.permissions {
		fmt.Fprintf(b, "| `%s` | %s |\n", p.name, words(p.expr))
	}
}

func words(e expr) string {
	if e.op == 0 {
		if through, what, ok := strings.Cut(e.name, "->"); ok {
			return fmt.Sprintf("`%s` of its %s", what, through)
		}
		return "`" + e.name + "`"
	}
	parts := make([]string, len(e.parts))
	for i, part := range e.parts {
		if parts[i] = words(part); part.op != 0 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, map[byte]string{'+': " or ", '&': " and ", '-': ", but not "}[e.op])
}

type picture struct {
	def          definition
	seen         map[string]bool
	nodes, edges []string
	inner        int // operators drawn as a node of their own so far
}

func (p *picture) node(line string) {
	if !p.seen[line] {
		p.seen[line] = true
		p.nodes = append(p.nodes, line)
	}
}

// into draws what a node is made of with arrows that end at it: the parts of a union one by one, an intersection through a
// node of its own, and what is excluded by a dotted arrow.
func (p *picture) into(to string, e expr) {
	switch e.op {
	case '+':
		for _, part := range e.parts {
			p.arrow(part, "-->", to)
		}
	case '-':
		p.into(to, e.parts[0])
		p.arrow(e.parts[1], "-. but not .->", to)
	default:
		p.arrow(e, "-->", to)
	}
}

// arrow draws one arrow from an expression; one of more than a name becomes a node first.
func (p *picture) arrow(from expr, arrow, to string) {
	id := p.leaf(from)
	p.edges = append(p.edges, id+" "+arrow+" "+to)
	if from.op == '&' {
		for _, part := range from.parts {
			p.arrow(part, "-->", id)
		}
	} else if from.op != 0 {
		p.into(id, from)
	}
}

// leaf draws the node of an expression if it is not there yet, and returns its id.
func (p *picture) leaf(e expr) string {
	if e.op != 0 {
		p.inner++
		id := fmt.Sprintf("op%d", p.inner)
		p.node(id + map[byte]string{'+': "{{any of}}", '&': "{{all of}}", '-': "{{what is left}}"}[e.op])
		return id
	}
	if through, what, ok := strings.Cut(e.name, "->"); ok {
		id := box(through + "_" + what)
		p.node(fmt.Sprintf("%s[\"%s of its %s\"]:::elsewhere", id, what, through))
		return id
	}
	if slices.ContainsFunc(p.def.relations, func(r relation) bool { return r.name == e.name }) {
		p.node(fmt.Sprintf("r_%s[%s]:::relation", e.name, e.name))
		return "r_" + e.name
	}
	return box(e.name)
}

// box returns a node's id. A prefix keeps names such as "end" from being Mermaid's own words.
func box(name string) string { return "n_" + name }
