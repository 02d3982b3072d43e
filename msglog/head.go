package msglog

import (
	"context"
	"encoding/json"
	"fmt"
)

// Head returns the seq of the newest record that the stream ever held, 0 where it never held one. It is the leader's
// word: whatever was acked before the call is at or below it. A direct get could be answered by a replica that is
// behind, and finds nothing where the newest record is gone.
func (r *Reader) Head(ctx context.Context, stream string) (uint64, error) {
	var info struct {
		State struct {
			LastSeq uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := r.leader(ctx, stream, apiInfo+stream, nil, &info); err != nil {
		return 0, fmt.Errorf("head of the log: %w", err)
	}
	return info.State.LastSeq, nil
}

// First returns the seq of the first record at or after from that the stream holds, by the leader's word; 0 where it
// holds none.
func (r *Reader) First(ctx context.Context, stream string, from uint64) (uint64, error) {
	var found struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	data, err := json.Marshal(getRequest{Seq: max(from, 1), NextBy: ">"})
	if err != nil {
		return 0, fmt.Errorf("encode request: %w", err)
	}
	if err := r.leader(ctx, stream, apiGet+stream, data, &found); err != nil {
		return 0, fmt.Errorf("first record from %d: %w", from, err)
	}
	return found.Message.Seq, nil
}

// leader asks the stream's leader and decodes its answer; nothing found leaves into as it is.
func (r *Reader) leader(ctx context.Context, stream, subject string, data []byte, into any) error {
	return r.direct.again(ctx, stream, func(ctx context.Context) error {
		msgs, err := r.direct.ask(ctx, subject, data, false)
		if err != nil {
			return err
		}
		m := msgs[0]
		if status := m.Header.Get(headerStatus); status != "" {
			return &StatusError{Stream: stream, Status: status, Text: m.Header.Get(headerText)}
		}
		var failed struct {
			Error *struct {
				ErrCode     int    `json:"err_code"`
				Description string `json:"description"`
			} `json:"error"`
		}
		if err := json.Unmarshal(m.Data, &failed); err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
		switch e := failed.Error; {
		case e == nil:
			return json.Unmarshal(m.Data, into)
		case e.ErrCode == errCodeNoMessage:
			return nil
		case e.ErrCode == errCodeNoStream:
			return &StatusError{Stream: stream, Status: statusNobody, Text: e.Description}
		default:
			return &StatusError{Stream: stream, Status: "error", Text: e.Description}
		}
	})
}

// Error codes of the JetStream API (server/errors.json).
const (
	errCodeNoMessage = 10037
	errCodeNoStream  = 10059
)
