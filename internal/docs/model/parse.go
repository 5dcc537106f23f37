package main

import (
	"fmt"
	"regexp"
	"strings"
)

// definition is one definition of schema.zed, in the order of the file.
type definition struct {
	name        string
	comment     string
	relations   []relation
	permissions []permission
}

type relation struct {
	name     string
	subjects []string // for example "contact#person"
}

type permission struct {
	name string
	expr expr
}

// expr is what a permission is made of: a name, or an operator over parts.
type expr struct {
	name  string // "owner", or "platform->staff"
	op    byte   // '+', '&' or '-'; 0 for a name
	parts []expr
}

var (
	lineComment  = regexp.MustCompile(`//[^\n]*`)
	opens        = regexp.MustCompile(`^definition (\w+) \{(\})?$`)
	isRelation   = regexp.MustCompile(`^relation (\w+): (.+)$`)
	isPermission = regexp.MustCompile(`^permission (\w+) = (.+)$`)
	token        = regexp.MustCompile(`\s*(\w+(?:->\w+)?|[+&()-])`)
)

// parse reads the part of SpiceDB's schema language that schema.zed keeps to: definitions with one relation or permission a
// line, operators of one kind between the same parentheses. It refuses anything else, naming the line.
func parse(schema string) ([]definition, error) {
	var defs []definition
	var comment []string
	commenting, open := false, false
	for i, line := range strings.Split(lineComment.ReplaceAllString(schema, ""), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "/**") {
			comment, commenting = nil, true
		}
		if commenting {
			comment = append(comment, strings.TrimSpace(strings.NewReplacer("/**", "", "*/", "").Replace(line)))
			commenting = !strings.HasSuffix(line, "*/")
			continue
		}
		if m := opens.FindStringSubmatch(line); m != nil && !open {
			defs = append(defs, definition{name: m[1], comment: strings.TrimSpace(strings.Join(comment, " "))})
			comment, open = nil, m[2] == ""
			continue
		}
		switch {
		case line == "":
		case line == "}" && open:
			open = false
		case open:
			if err := member(&defs[len(defs)-1], line); err != nil {
				return nil, fmt.Errorf("schema.zed:%d: %w", i+1, err)
			}
		default:
			return nil, fmt.Errorf("schema.zed:%d: %q is outside of a definition", i+1, line)
		}
	}
	return defs, nil
}

func member(d *definition, line string) error {
	if m := isRelation.FindStringSubmatch(line); m != nil {
		var subjects []string
		for s := range strings.SplitSeq(m[2], "|") {
			subjects = append(subjects, strings.TrimSpace(s))
		}
		d.relations = append(d.relations, relation{m[1], subjects})
		return nil
	}
	m := isPermission.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("%q is neither a relation nor a permission", line)
	}
	var tokens []string
	rest := m[2]
	for strings.TrimSpace(rest) != "" {
		at := token.FindStringSubmatchIndex(rest)
		if at == nil || at[0] != 0 {
			return fmt.Errorf("permission %s: cannot read %q", m[1], rest)
		}
		tokens, rest = append(tokens, rest[at[2]:at[3]]), rest[at[1]:]
	}
	e, left, err := expression(tokens)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%q is left over", left[0])
	}
	if err != nil {
		return fmt.Errorf("permission %s: %w", m[1], err)
	}
	d.permissions = append(d.permissions, permission{m[1], e})
	return nil
}

// expression reads operands with one kind of operator between them, and returns the tokens behind.
func expression(tokens []string) (expr, []string, error) {
	first, rest, err := operand(tokens)
	if err != nil || len(rest) == 0 || rest[0] == ")" {
		return first, rest, err
	}
	e := expr{op: rest[0][0], parts: []expr{first}}
	for len(rest) > 0 && rest[0] != ")" {
		if rest[0] != string(e.op) || (e.op == '-' && len(e.parts) > 1) {
			return e, nil, fmt.Errorf("%q after %q needs parentheses", rest[0], string(e.op))
		}
		var next expr
		if next, rest, err = operand(rest[1:]); err != nil {
			return e, nil, err
		}
		e.parts = append(e.parts, next)
	}
	return e, rest, nil
}

func operand(tokens []string) (expr, []string, error) {
	switch {
	case len(tokens) == 0:
		return expr{}, nil, fmt.Errorf("an operand is missing")
	case tokens[0] == "(":
		e, rest, err := expression(tokens[1:])
		if err == nil && (len(rest) == 0 || rest[0] != ")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		if err != nil {
			return e, nil, err
		}
		return e, rest[1:], nil
	case strings.ContainsAny(tokens[0][:1], "+&-)"):
		return expr{}, nil, fmt.Errorf("%q stands where an operand must", tokens[0])
	}
	return expr{name: tokens[0]}, tokens[1:], nil
}
