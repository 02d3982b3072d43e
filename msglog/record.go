package msglog

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Record is one entry of a channel's log.
type Record struct {
	Channel fabric.ChannelID
	Seq     uint64
	Prev    uint64 // the seq before it in the same channel, 0 where the log holds none
	At      int64  // Unix milliseconds, by the store's clock
	Payload []byte
}

// Last is the newest entry of a subject in any stream.
type Last struct {
	Subject string
	Seq     uint64
	At      int64
	Payload []byte
	Deleted bool // in a bucket: the marker of a key that was deleted or has lapsed
}

// ErrNoRecord says that the log has no such record: it was never there, or the window dropped it.
var ErrNoRecord = errors.New("no such record in the log")

// ErrTooMany says that a single wildcard stands for more subjects than the server answers at once.
var ErrTooMany = errors.New("a wildcard matches more subjects than one request may ask for")

// StatusError is an answer of the direct get API that is no record.
type StatusError struct {
	Stream string
	Status string // as in HTTP: 404 not found, 408 malformed request, 413 too many results, 503 nobody answers
	Text   string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("read stream %s: %s %s", e.Stream, e.Status, e.Text)
}

// Statuses of the direct get API, and what the headers of its answers are called.
const (
	statusEnd      = "204"
	statusNotFound = "404"
	statusTooMany  = "413"
	statusNobody   = "503"

	headerStatus  = "Status"
	headerText    = "Description"
	headerSubject = "Nats-Subject"
	headerPending = "Nats-Num-Pending"
	headerKVOp    = "KV-Operation"
	headerMarker  = "Nats-Marker-Reason"
)

// lastOf reads an answer as the entry it holds.
func lastOf(m *nats.Msg) (Last, error) {
	seq, err := strconv.ParseUint(m.Header.Get(subjects.HeaderSequence), 10, 64)
	if err != nil {
		return Last{}, fmt.Errorf("answer without a seq: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(subjects.HeaderTime))
	if err != nil {
		return Last{}, fmt.Errorf("answer without a time: %w", err)
	}
	return Last{
		Subject: m.Header.Get(headerSubject), Seq: seq, At: fabric.Millis(at), Payload: m.Data,
		Deleted: m.Header.Get(headerKVOp) != "" || m.Header.Get(headerMarker) != "",
	}, nil
}
