package failures_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// proxy stands between replicas and SpiceDB. It counts the bulk calls for people, and spoils answers when it is told to.
type proxy struct {
	endpoint string
	far      *grpc.ClientConn

	mu    sync.Mutex
	calls int
	items int
	spoil func(*v1.CheckBulkPermissionsResponse) error // nil: nothing
}

// proxied starts one and has replicas that are started later go through it.
func (s *site) proxied(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(t, "listen", err)
	p := &proxy{endpoint: "http://" + l.Addr().String()}
	p.far, err = grpc.NewClient(s.spicedb.Endpoint, grpc.WithTransportCredentials(s.trust(t)))
	try(t, "dial SpiceDB", err)
	server := grpc.NewServer(grpc.Creds(insecure.NewCredentials()), grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(p.pass))
	t.Cleanup(func() { server.Stop(); _ = p.far.Close() })
	go func() { _ = server.Serve(l) }()
	s.settings["SPICEDB_ENDPOINT"], s.settings["SPICEDB_CA"] = p.endpoint, ""
	return p
}

// frame is a message as it is on the wire.
type frame struct{ bytes []byte }

// raw leaves messages as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return v.(*frame).bytes, nil }
func (raw) Unmarshal(data []byte, v any) error { v.(*frame).bytes = data; return nil }
func (raw) Name() string                       { return "proto" }

// pass hands a call on, and its answers back.
func (p *proxy) pass(_ any, near grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(near)
	bulk := strings.HasSuffix(method, "/CheckBulkPermissions")
	given, _ := metadata.FromIncomingContext(near.Context())
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(near.Context(), given))
	defer cancel()
	far, err := p.far.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodec(raw{}))
	if err != nil {
		return err
	}
	counted := make(chan bool, 1)
	go func() {
		var f frame
		for near.RecvMsg(&f) == nil {
			if bulk {
				counted <- p.count(f.bytes)
			}
			if far.SendMsg(&f) != nil {
				return
			}
		}
		_ = far.CloseSend()
	}()
	for {
		var f frame
		if err := far.RecvMsg(&f); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if bulk && <-counted {
			if err := p.spoiled(&f); err != nil {
				return err
			}
		}
		if err := near.SendMsg(&f); err != nil {
			return err
		}
	}
}

// count counts a call that asks for somebody who is there: the replicas also ask for "nobody", to see that SpiceDB answers.
func (p *proxy) count(message []byte) bool {
	var request v1.CheckBulkPermissionsRequest
	if err := proto.Unmarshal(message, &request); err != nil || len(request.GetItems()) == 0 {
		return false
	}
	if id := request.GetItems()[0].GetSubject().GetObject().GetObjectId(); id == "nobody" || id == "=" {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.items += len(request.GetItems())
	return true
}

// during returns how many bulk calls, and items in them, were made while f ran.
func (p *proxy) during(f func()) (calls, items int) {
	p.mu.Lock()
	calls, items = p.calls, p.items
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls - calls, p.items - items
}

// spoils has f's calls answered by what spoil makes of the answers.
func (p *proxy) spoils(spoil func(*v1.CheckBulkPermissionsResponse) error, f func()) {
	set := func(s func(*v1.CheckBulkPermissionsResponse) error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.spoil = s
	}
	set(spoil)
	defer set(nil)
	f()
}

func (p *proxy) spoiled(f *frame) error {
	p.mu.Lock()
	spoil := p.spoil
	p.mu.Unlock()
	if spoil == nil {
		return nil
	}
	var response v1.CheckBulkPermissionsResponse
	err := proto.Unmarshal(f.bytes, &response)
	if err == nil {
		err = spoil(&response)
	}
	if err == nil {
		f.bytes, err = proto.Marshal(&response)
	}
	return err
}

// errorAt returns the pair as it is when SpiceDB could not answer this one check.
func errorAt(pair *v1.CheckBulkPermissionsPair) {
	pair.Response = &v1.CheckBulkPermissionsPair_Error{Error: status.New(codes.DeadlineExceeded, "spoiled").Proto()}
}
