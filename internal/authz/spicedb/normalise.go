package spicedb

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/authzed/spicedb/pkg/caveats/types"
	"github.com/authzed/spicedb/pkg/namespace"
	core "github.com/authzed/spicedb/pkg/proto/core/v1"
	"github.com/authzed/spicedb/pkg/schemadsl/compiler"
	"github.com/authzed/spicedb/pkg/schemadsl/generator"
	"github.com/authzed/spicedb/pkg/schemadsl/input"
)

// normalised is a schema without comments, whatever the order it was declared in: the text of each relation and permission
// by its name, for example "account#owner", and that of each definition and caveat by its own.
type normalised map[string]string

// normalise reads the schema text, which source names in errors.
func normalise(source, text string) (normalised, error) {
	compiled, err := compiler.Compile(compiler.InputSchema{Source: input.Source(source), SchemaString: text}, compiler.AllowUnprefixedObjectType())
	if err != nil {
		return nil, fmt.Errorf("spicedb: %w", err)
	}
	out := normalised{}
	for _, d := range compiled.ObjectDefinitions {
		out[d.GetName()] = "definition"
		namespace.FilterUserDefinedMetadataInPlace(d)
		for _, r := range d.GetRelation() {
			slices.SortFunc(r.GetTypeInformation().GetAllowedDirectRelations(), byText)
			line, err := generator.GenerateRelationSource(r, types.Default.TypeSet)
			if err != nil {
				return nil, fmt.Errorf("spicedb: %s: %s#%s: %w", source, d.GetName(), r.GetName(), err)
			}
			out[d.GetName()+"#"+r.GetName()] = strings.TrimSpace(line)
		}
	}
	for _, d := range compiled.CaveatDefinitions {
		d.Metadata = nil
		text, _, err := generator.GenerateCaveatSource(d, types.Default.TypeSet)
		if err != nil {
			return nil, fmt.Errorf("spicedb: %s: caveat %s: %w", source, d.GetName(), err)
		}
		out[d.GetName()] = text
	}
	return out, nil
}

// byText orders what a relation may hold.
func byText(a, b *core.AllowedRelation) int { return cmp.Compare(allowed(a), allowed(b)) }

func allowed(r *core.AllowedRelation) string {
	return fmt.Sprint(r.GetNamespace(), "#", r.GetRelation(), r.GetPublicWildcard() != nil, r.GetRequiredCaveat().GetCaveatName(), r.GetRequiredExpiration() != nil)
}

// hash returns a hash that is the same for two schemas that mean the same by the same names.
func (n normalised) hash() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(h, "%q %q\n", name, n[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// differences returns a sentence for each name that have and want declare differently.
func differences(have, want normalised) []string {
	all := maps.Clone(have)
	maps.Copy(all, want)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if have[name] != want[name] {
			out = append(out, difference(name, have[name], want[name]))
		}
	}
	return out
}
