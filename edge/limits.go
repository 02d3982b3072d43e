package edge

import (
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Limits bound what one session may cost. Clients are told all of them in `info` and /v1/limits.
type Limits struct {
	FrameBytes     int `json:"frame_bytes"`      // a frame from a client; a larger one is answered with too_large
	BodyBytes      int `json:"body_bytes"`       // a message's body as JSON
	QueueBytes     int `json:"queue_bytes"`      // what may wait for a slow client; past it the session ends with 4408
	Watch          int `json:"watch"`            // users whose presence a session watches
	History        int `json:"history"`          // messages in a page
	SendsPerSecond int `json:"sends_per_second"` // messages sent by a session
	SendBurst      int `json:"send_burst"`
	OpsPerSecond   int `json:"ops_per_second"` // all operations of a session; far past it the session ends with 4429
	OpsBurst       int `json:"ops_burst"`
	TypingPerMin   int `json:"typing_per_minute"`
	DedupeMillis   int `json:"dedupe_ms"`     // how long a resend of a cid is known to be the same message
	HelloMillis    int `json:"hello_ms"`      // how long a connection may wait before it says hello
	LookupPhones   int `json:"lookup_phones"` // phones in one contacts lookup
}

// DefaultLimits are what an edge has where nothing else is said.
func DefaultLimits() Limits {
	return Limits{
		FrameBytes:     256 << 10,
		BodyBytes:      fabric.MaxBodyBytes,
		QueueBytes:     1 << 20,
		Watch:          500,
		History:        contract.MaxPage,
		SendsPerSecond: 2000,
		SendBurst:      4000,
		OpsPerSecond:   5000,
		OpsBurst:       10000,
		TypingPerMin:   120,
		HelloMillis:    10_000,
		LookupPhones:   contract.MaxLookup,
	}
}

func (l Limits) validate() error {
	for _, f := range []struct {
		name               string
		value, least, most int
	}{
		{"frame_bytes", l.FrameBytes, 1 << 10, 16 << 20},
		{"body_bytes", l.BodyBytes, 1, fabric.MaxBodyBytes},
		{"queue_bytes", l.QueueBytes, 4 * fabric.MaxBodyBytes, 64 << 20},
		{"watch", l.Watch, 1, 10_000},
		{"history", l.History, 1, contract.MaxPage},
		{"sends_per_second", l.SendsPerSecond, 1, 1 << 20},
		{"send_burst", l.SendBurst, 1, 1 << 20},
		{"ops_per_second", l.OpsPerSecond, 1, 1 << 20},
		{"ops_burst", l.OpsBurst, 1, 1 << 20},
		{"typing_per_minute", l.TypingPerMin, 1, 6000},
		{"hello_ms", l.HelloMillis, 100, 60_000},
	} {
		if f.value < f.least || f.value > f.most {
			return fmt.Errorf("limit %s: want %d to %d, got %d", f.name, f.least, f.most, f.value)
		}
	}
	return nil
}
