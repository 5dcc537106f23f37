package spicedb

import (
	"errors"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that bulk is built on
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A bulk answer repeats each question in full. Read as messages that is a dozen allocations for each check, most of what
// this side costs, so it is read from the wire instead, by the numbers of the fields in authzed/api/v1.

// pairs are the answers of a bulk call as they came.
type pairs struct{ raw []byte }

// bulk is the codec of bulk calls: it sends messages as ever, and receives pairs.
type bulk struct{ encoding.CodecV2 }

var bulkCodec = bulk{encoding.GetCodecV2("proto")}

// Unmarshal implements encoding.CodecV2.
func (b bulk) Unmarshal(data mem.BufferSlice, into any) error {
	p, ok := into.(*pairs)
	if !ok {
		return b.CodecV2.Unmarshal(data, into)
	}
	p.raw = data.Materialize()
	return nil
}

// pair is one answer. The texts are those of the question that it answers.
type pair struct {
	typ, id, permission []byte
	answer              v1.CheckPermissionResponse_Permissionship
	failed              *rpc.Status
}

// The numbers of the fields.
const (
	fieldPairs                                                    = 2 // of CheckBulkPermissionsResponse
	fieldRequest, fieldItem, fieldError                           = 1, 2, 3
	fieldResource, fieldPermission, fieldSubject                  = 1, 2, 3
	fieldObjectType, fieldObjectID                                = 1, 2
	fieldPermissionship                          protowire.Number = 1
)

var errWire = errors.New("spicedb: check: the answer cannot be read")

// each hands every pair to fn, in order.
func (p *pairs) each(fn func(i int, p pair) error) (n int, err error) {
	err = fields(p.raw, func(num protowire.Number, value []byte, _ uint64) error {
		if num != fieldPairs {
			return nil
		}
		one, err := readPair(value)
		if err == nil {
			err = fn(n, one)
		}
		n++
		return err
	})
	return n, err
}

func readPair(raw []byte) (p pair, err error) {
	err = fields(raw, func(num protowire.Number, value []byte, _ uint64) error {
		switch num {
		case fieldRequest:
			return readQuestion(value, &p)
		case fieldItem:
			return fields(value, func(num protowire.Number, _ []byte, n uint64) error {
				if num == fieldPermissionship {
					p.answer = v1.CheckPermissionResponse_Permissionship(n)
				}
				return nil
			})
		case fieldError:
			p.failed = &rpc.Status{}
			return proto.Unmarshal(value, p.failed)
		}
		return nil
	})
	return p, err
}

func readQuestion(raw []byte, p *pair) error {
	return fields(raw, func(num protowire.Number, value []byte, _ uint64) error {
		switch num {
		case fieldResource:
			return fields(value, func(num protowire.Number, text []byte, _ uint64) error {
				switch num {
				case fieldObjectType:
					p.typ = text
				case fieldObjectID:
					p.id = text
				}
				return nil
			})
		case fieldPermission:
			p.permission = value
		}
		return nil
	})
}

// fields hands each field of a message to fn: value is that of a field with a length, n that of a number.
func fields(raw []byte, fn func(num protowire.Number, value []byte, n uint64) error) error {
	for len(raw) > 0 {
		num, typ, size := protowire.ConsumeTag(raw)
		if size < 0 {
			return fmt.Errorf("%w: %w", errWire, protowire.ParseError(size))
		}
		raw = raw[size:]
		var value []byte
		var n uint64
		switch typ {
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(raw)
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(raw)
		default:
			size = protowire.ConsumeFieldValue(num, typ, raw)
		}
		if size < 0 {
			return fmt.Errorf("%w: %w", errWire, protowire.ParseError(size))
		}
		raw = raw[size:]
		if err := fn(num, value, n); err != nil {
			return err
		}
	}
	return nil
}
