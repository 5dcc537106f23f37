package httpserver

import (
	"mime"
	"strconv"
	"strings"
)

// negotiate picks the media type of the answer from the values of Accept: the higher weight wins, then a type that is
// named over one that a wildcard covers, then the one named first. It returns application/json for no Accept and for
// */*, and "" if neither type is acceptable.
func negotiate(accept []string) string {
	header := strings.Join(accept, ",")
	if strings.TrimSpace(header) == "" {
		return typeJSON
	}
	jsonMatch, graphqlMatch := match{}, match{}
	position := 0
	for part := range strings.SplitSeq(header, ",") {
		mediaType, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		weight, ok := weightOf(params)
		if !ok {
			continue
		}
		position--
		switch mediaType {
		case typeJSON:
			jsonMatch.take(match{weight, 3, position})
		case typeGraphQL:
			graphqlMatch.take(match{weight, 3, position})
		case "application/*":
			jsonMatch.take(match{weight, 2, 0})
			graphqlMatch.take(match{weight, 2, 0})
		case "*/*":
			jsonMatch.take(match{weight, 1, 0})
			graphqlMatch.take(match{weight, 1, 0})
		}
	}
	switch {
	case jsonMatch.weight == 0 && graphqlMatch.weight == 0:
		return ""
	case graphqlMatch.over(jsonMatch):
		return typeGraphQL
	default:
		return typeJSON
	}
}

// weightOf reads q and refuses a range that asks for another charset than the one we write.
func weightOf(params map[string]string) (float64, bool) {
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return 0, false
	}
	q, ok := params["q"]
	if !ok {
		return 1, true
	}
	weight, err := strconv.ParseFloat(q, 64)
	return weight, err == nil && weight >= 0 && weight <= 1
}

// match is how one of our types fares: the most exact range decides its weight.
type match struct {
	weight    float64
	exactness int // 3 named, 2 application/*, 1 */*
	position  int // of the range that names it, higher for earlier ones
}

func (m *match) take(other match) {
	if other.exactness > m.exactness {
		*m = other
	}
}

func (m match) over(other match) bool {
	if m.weight != other.weight {
		return m.weight > other.weight
	}
	if m.exactness != other.exactness {
		return m.exactness > other.exactness
	}
	return m.position > other.position
}
