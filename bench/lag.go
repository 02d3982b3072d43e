package bench

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/weft-im/weft/fabric"
)

// lag follows how far the archive is behind the log: in messages, and in time, which is how long the oldest message that is
// not archived has been in the log at most.
type lag struct {
	messages uint64
	most     time.Duration
	heads    []head    // ascending, those that are not archived
	clear    time.Time // what was in the log by then is archived
}

type head struct {
	at  time.Time // when it was seen first
	seq uint64
}

// note takes where log and archive stand at a moment. The archive is to be looked at first: so the lag is never smaller
// than it was.
func (l *lag) note(at time.Time, log, archived uint64) {
	for len(l.heads) > 0 && l.heads[0].seq <= archived {
		l.clear = l.heads[0].at
		l.heads = l.heads[1:]
	}
	if log <= archived || l.clear.IsZero() {
		l.clear = at
	}
	if log <= archived {
		return
	}
	if n := len(l.heads); n == 0 || log > l.heads[n-1].seq {
		l.heads = append(l.heads, head{at, log})
	}
	l.messages = max(l.messages, log-archived)
	l.most = max(l.most, at.Sub(l.clear))
}

func decodeStored(raw []byte) (m fabric.Stored, err error) {
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("bench: a message of the history: %w", err)
	}
	return m, nil
}
