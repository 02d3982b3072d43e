package msglog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Bounds of one direct get.
const (
	maxResults = 1024                   // the server refuses a multi_last with more (413)
	maxBytes   = 1 << 20                // of one answer's records; what is left is asked for next
	attempt    = 2 * time.Second        // without a whole answer the request is made again
	attempts   = 3                      // and in the end it is refused as unavailable
	retryPause = 100 * time.Millisecond // nobody answers while a leader is elected
	apiDirect  = "$JS.API.DIRECT.GET."
	apiInfo    = "$JS.API.STREAM.INFO."
	apiGet     = "$JS.API.STREAM.MSG.GET." // by the leader, where a replica that is behind will not do
)

// getRequest is the request of the direct get API, $JS.API.DIRECT.GET.<stream>. What the fields mean together is told in
// ADR-31, and more exactly by the server's getDirectRequest and getDirectMulti.
type getRequest struct {
	Seq       uint64   `json:"seq,omitempty"` // exact, or the first to look at
	NextBy    string   `json:"next_by_subj,omitempty"`
	Batch     int      `json:"batch,omitempty"`
	MaxBytes  int      `json:"max_bytes,omitempty"`
	MultiLast []string `json:"multi_last,omitempty"`
	UpTo      uint64   `json:"up_to_seq,omitempty"` // must not be past the stream's last seq: the answer were empty
}

// many reports whether the answer is a batch with an end marker, and not one record.
func (g getRequest) many() bool { return g.Batch > 0 || len(g.MultiLast) > 0 }

// answer is what a direct get brought: entries in ascending seq, and how many there are past the last one.
type answer struct {
	entries []Last
	pending uint64
}

// direct brings the answers of many requests home through one subscription: a request costs neither a subscription nor
// a goroutine.
type direct struct {
	nc    *nats.Conn
	inbox string
	sub   *nats.Subscription

	mu    sync.Mutex
	next  uint64
	calls map[string]*call
}

// call collects the answer of one request.
type call struct {
	many bool
	msgs []*nats.Msg
	done chan struct{} // closed once the last of msgs is there
}

func newDirect(nc *nats.Conn) (*direct, error) {
	d := &direct{nc: nc, inbox: nc.NewRespInbox() + ".", calls: make(map[string]*call)}
	var err error
	if d.sub, err = nc.Subscribe(d.inbox+"*", d.receive); err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	// What can be under way is bounded by what was asked for, maxBytes a request.
	if err := d.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	return d, nil
}

func (d *direct) receive(m *nats.Msg) {
	id := strings.TrimPrefix(m.Subject, d.inbox)
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.calls[id]
	if c == nil {
		return // it gave up
	}
	c.msgs = append(c.msgs, m)
	if !c.many || m.Header.Get(headerStatus) != "" {
		delete(d.calls, id)
		close(c.done)
	}
}

// ask sends data to subject and returns what comes back: one message, or many of which the last one has a status.
func (d *direct) ask(ctx context.Context, subject string, data []byte, many bool) ([]*nats.Msg, error) {
	c := &call{many: many, done: make(chan struct{})}
	d.mu.Lock()
	d.next++
	id := strconv.FormatUint(d.next, 36)
	d.calls[id] = c
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.calls, id)
		d.mu.Unlock()
	}()
	if err := d.nc.PublishRequest(subject, d.inbox+id, data); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
		return c.msgs, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get asks a stream. Nothing found is an empty answer. It asks again where an answer is lost or torn, as when the
// connection breaks in the middle, and where nobody answers; then the error has CodeUnavailable.
func (d *direct) get(ctx context.Context, stream string, req getRequest) (answer, error) {
	if req.many() && req.MaxBytes == 0 {
		req.MaxBytes = maxBytes
	}
	data, err := json.Marshal(req)
	if err != nil {
		return answer{}, fmt.Errorf("encode request: %w", err)
	}
	var a answer
	err = d.again(ctx, stream, func(ctx context.Context) error {
		a, err = d.tryGet(ctx, stream, data, req.many())
		return err
	})
	return a, err
}

// again does f until it succeeds or is refused, a bounded number of times.
func (d *direct) again(ctx context.Context, stream string, f func(context.Context) error) error {
	var err error
	for try := range attempts {
		if try > 0 {
			select {
			case <-time.After(retryPause):
			case <-ctx.Done():
				return fmt.Errorf("read stream %s: %w", stream, ctx.Err())
			}
		}
		one, cancel := context.WithTimeout(ctx, attempt)
		err = f(one)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("read stream %s: %w", stream, ctx.Err())
		}
		if status := (*StatusError)(nil); errors.As(err, &status) && status.Status != statusNobody {
			return err
		}
	}
	return unavailable(stream, err)
}

func unavailable(stream string, cause error) error {
	return fmt.Errorf("%w (%w)", fabric.Errorf(fabric.CodeUnavailable, "the store does not answer: try again"),
		fmt.Errorf("read stream %s: %w", stream, cause))
}

var errTorn = errors.New("a part of the answer is missing")

func (d *direct) tryGet(ctx context.Context, stream string, data []byte, many bool) (answer, error) {
	msgs, err := d.ask(ctx, apiDirect+stream, data, many)
	if err != nil {
		return answer{}, err
	}
	var a answer
	end := msgs[len(msgs)-1]
	switch status := end.Header.Get(headerStatus); {
	case status == statusNotFound:
		return answer{}, nil
	case status == "" && !many:
	case status == statusEnd:
		msgs = msgs[:len(msgs)-1]
		if a.pending, err = strconv.ParseUint(end.Header.Get(headerPending), 10, 64); err != nil {
			return answer{}, fmt.Errorf("end of answer: %w", err)
		}
	default:
		return answer{}, &StatusError{Stream: stream, Status: status, Text: end.Header.Get(headerText)}
	}
	// In a batch each entry names the one sent before it, and the end marker the last: core NATS may lose a message, and
	// the chain shows it.
	a.entries = make([]Last, len(msgs))
	var before uint64
	for i, m := range msgs {
		if a.entries[i], err = lastOf(m); err != nil {
			return answer{}, err
		}
		if many && !follows(m, before) {
			return answer{}, errTorn
		}
		before = a.entries[i].Seq
	}
	if many && !follows(end, before) {
		return answer{}, errTorn
	}
	return a, nil
}

func follows(m *nats.Msg, before uint64) bool {
	return m.Header.Get(subjects.HeaderLastSeq) == strconv.FormatUint(before, 10)
}

func (d *direct) close() error { return d.sub.Unsubscribe() }
