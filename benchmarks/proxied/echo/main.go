// A plain gRPC echo: what the same bytes cost in a stream of grpc-go. Its three roles are those of a session: a
// client with many streams, a relay in the middle that opens one stream onward for each that comes, and a server
// that sends each message back, as often as the stream's metadata says. All streams of a role share one connection,
// as sessions share a link.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// The path that the balancers' configurations send on.
const method = "/protobuf.Transport/Connect"

// The metadata that says how often a message is sent back.
const times = "times"

// bytesCodec carries messages as they are: there is nothing to encode in an echo.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

func main() {
	encoding.RegisterCodecV2(bytesCodec{})
	role := flag.String("role", "", "serve, relay or load")
	listen := flag.String("listen", "127.0.0.1:0", "where serve and relay listen")
	cert := flag.String("cert", "", "the certificate of serve and relay, with its key; without it they have no TLS")
	key := flag.String("key", "", "the key")
	target := flag.String("target", "", "where relay and load go on to")
	ca := flag.String("ca", "", "the target's CA; without it the target is asked without TLS")
	name := flag.String("name", "", "the target's name")
	streams := flag.Int("streams", 1, "of load")
	seconds := flag.Float64("seconds", 1, "of load")
	size := flag.Int("size", 64, "bytes of each message of load")
	back := flag.Int("times", 1, "how often each message of load comes back")
	flag.Parse()
	at, to := port{*listen, *cert, *key}, dial{*target, *ca, *name}
	if err := run(*role, at, to, load{*streams, *seconds, *size, *back}); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(role string, at port, to dial, asked load) error {
	switch role {
	case "serve":
		return at.serve(echo)
	case "relay":
		onward, err := to.connect()
		if err != nil {
			return err
		}
		return at.serve(relay(onward))
	case "load":
		onward, err := to.connect()
		if err != nil {
			return err
		}
		return asked.run(onward)
	}
	return fmt.Errorf("no role %q", role)
}

// dial is where the next hop is.
type dial struct{ target, ca, name string }

func (to dial) connect() (*grpc.ClientConn, error) {
	secure := insecure.NewCredentials()
	if to.ca != "" {
		pem, err := os.ReadFile(to.ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", to.ca)
		}
		secure = credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: to.name})
	}
	return grpc.NewClient(to.target, grpc.WithTransportCredentials(secure))
}

func open(ctx context.Context, onward *grpc.ClientConn, back int) (grpc.ClientStream, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, times, strconv.Itoa(back))
	return onward.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
}

// port is where calls come in.
type port struct{ listen, cert, key string }

func (at port) serve(handler grpc.StreamHandler) error {
	options := []grpc.ServerOption{grpc.UnknownServiceHandler(handler)}
	if at.cert != "" {
		secure, err := credentials.NewServerTLSFromFile(at.cert, at.key)
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(secure))
	}
	socket, err := net.Listen("tcp", at.listen)
	if err != nil {
		return err
	}
	return grpc.NewServer(options...).Serve(socket)
}

func echo(_ any, stream grpc.ServerStream) error {
	back, err := backs(stream)
	if err != nil {
		return err
	}
	return pump(stream, stream, back)
}

func backs(stream grpc.ServerStream) (int, error) {
	told := metadata.ValueFromIncomingContext(stream.Context(), times)
	if len(told) != 1 {
		return 0, fmt.Errorf("%d values of %s", len(told), times)
	}
	return strconv.Atoi(told[0])
}

func relay(onward *grpc.ClientConn) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		back, err := backs(stream)
		if err != nil {
			return err
		}
		next, err := open(stream.Context(), onward, back)
		if err != nil {
			return err
		}
		go func() {
			if pump(stream, next, 1) == nil {
				_ = next.CloseSend()
			}
		}()
		return pump(next, stream, 1)
	}
}

// end is one end of a stream.
type end interface {
	SendMsg(message any) error
	RecvMsg(message any) error
}

func pump(from, to end, back int) error {
	for {
		var message []byte
		if err := from.RecvMsg(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for range back {
			if err := to.SendMsg(&message); err != nil {
				return err
			}
		}
	}
}

// load asks on every stream, one message after another.
type load struct {
	streams int
	seconds float64
	size    int
	back    int
}

func (asked load) run(onward *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration((asked.seconds+30)*float64(time.Second)))
	defer cancel()
	counts, failures := make([]int, asked.streams), make([]error, asked.streams)
	var ready, done sync.WaitGroup
	ready.Add(asked.streams)
	done.Add(asked.streams)
	start := make(chan time.Time)
	for index := range asked.streams {
		go func() {
			defer done.Done()
			counts[index], failures[index] = asked.one(ctx, onward, &ready, start)
		}()
	}
	ready.Wait()
	began := time.Now()
	for range asked.streams {
		start <- began
	}
	done.Wait()
	took, total := time.Since(began).Seconds(), 0
	for _, count := range counts {
		total += count
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"count": total, "rate": float64(total) / took})
}

// one stream's round trips until the time is over; the first of them is not counted: it opens the stream.
func (asked load) one(
	ctx context.Context, onward *grpc.ClientConn, ready *sync.WaitGroup, start <-chan time.Time,
) (int, error) {
	message := make([]byte, asked.size)
	stream, err := open(ctx, onward, asked.back)
	if err == nil {
		err = asked.trip(stream, message)
	}
	ready.Done()
	end := (<-start).Add(time.Duration(asked.seconds * float64(time.Second)))
	count := 0
	for ; err == nil && time.Now().Before(end); count++ {
		err = asked.trip(stream, message)
	}
	return count, err
}

func (asked load) trip(stream grpc.ClientStream, message []byte) error {
	if err := stream.SendMsg(&message); err != nil {
		return err
	}
	for range asked.back {
		var answer []byte
		if err := stream.RecvMsg(&answer); err != nil {
			return err
		}
		if len(answer) != len(message) {
			return fmt.Errorf("an answer of %d bytes in place of %d", len(answer), len(message))
		}
	}
	return nil
}
