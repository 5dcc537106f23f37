package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// FileError says what is wrong with a settings file.
type FileError struct {
	Path string
	Line int // 1-based; 0 when it is the whole file
	Text string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Path, e.Text)
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Text)
}

// file resolves flags from the settings file, wherever neither a flag nor the environment has said anything.
type file struct {
	known  map[string]bool
	path   string
	values map[string]any // text, or a list of texts
}

// Validate has nothing to say of the program itself.
func (f *file) Validate(*kong.Application) error { return nil }

// Resolve returns what the file says of a flag, or nil.
func (f *file) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if err := f.load(ctx); err != nil || f.values == nil {
		return nil, err
	}
	for _, env := range flag.Envs {
		if _, given := os.LookupEnv(env); given {
			return nil, nil
		}
	}
	value, ok := f.values[flag.Name]
	if !ok {
		return nil, nil
	}
	if _, list := value.([]any); list && flag.Target.Kind() != reflect.Slice {
		return nil, &FileError{Path: f.path, Text: fmt.Sprintf("%s takes one value, not a list", flag.Name)}
	}
	return value, nil
}

// load reads the file that --config or STEWARD_CONFIG names, once.
func (f *file) load(ctx *kong.Context) error {
	for _, flag := range ctx.Model.Flags {
		if flag.Name != "config" {
			continue
		}
		path, _ := ctx.FlagValue(flag).(string)
		if path == "" || path == f.path {
			return nil
		}
		values, err := read(path, f.known)
		if err != nil {
			return err
		}
		f.path, f.values = path, values
	}
	return nil
}

func read(path string, known map[string]bool) (map[string]any, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if cause, ok := errors.AsType[*os.PathError](err); ok {
			err = cause.Err
		}
		return nil, &FileError{Path: path, Text: "the settings file cannot be read: " + err.Error()}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, &FileError{Path: path, Text: "the settings file is not YAML: " + err.Error()}
	}
	values := map[string]any{}
	if len(doc.Content) == 0 {
		return values, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &FileError{Path: path, Line: root.Line, Text: "the settings file must hold lines such as listen: 127.0.0.1:8080"}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		if !known[key.Value] {
			return nil, &FileError{Path: path, Line: key.Line, Text: fmt.Sprintf("there is no setting %q; `steward help` lists them", key.Value)}
		}
		if _, twice := values[key.Value]; twice {
			return nil, &FileError{Path: path, Line: key.Line, Text: fmt.Sprintf("%s is given twice", key.Value)}
		}
		value, err := valueOf(node)
		if err != nil {
			return nil, &FileError{Path: path, Line: node.Line, Text: fmt.Sprintf("%s %s", key.Value, err)}
		}
		values[key.Value] = value
	}
	return values, nil
}

var errShape = errors.New("must be a value or a list of values")

// valueOf returns a scalar as its text and a list as texts, so that a value means the same in a file as on the command line.
func valueOf(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		return node.Value, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, errShape
			}
			list = append(list, item.Value)
		}
		return list, nil
	}
	return nil, errShape
}
