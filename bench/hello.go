package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/weft-im/weft/client/wire"
	"github.com/weft-im/weft/fabric"
)

// frames are shared by all connections: one is needed only while a message is looked at.
var frames = sync.Pool{New: func() any { return new(wire.Frame) }}

// Ids of requests on a slim connection.
const (
	helloID = 1
	pingID  = 2
)

// signOn connects a user and waits until hello is answered. each is called with the objects that follow the answer in the
// same frame; it may be nil.
func signOn(ctx context.Context, base string, u user, cursor fabric.Cursor, each func(*wire.Object) error) (*slim, error) {
	s, err := dialSlim(ctx, base)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	if err := s.hello(u, cursor, each); err != nil {
		s.close()
		return nil, errors.Join(err, ctx.Err())
	}
	return s, nil
}

func (s *slim) hello(u user, cursor fabric.Cursor, each func(*wire.Object) error) error {
	welcome := false
	for !welcome {
		err := s.objects(func(o *wire.Object) error {
			switch {
			case string(o.Ev) == "info":
				hello, err := json.Marshal(struct {
					Op     string        `json:"op"`
					ID     int           `json:"id"`
					Token  string        `json:"token"`
					Cursor fabric.Cursor `json:"cursor,omitempty"`
				}{"hello", helloID, u.Access, cursor})
				if err != nil {
					return err
				}
				return s.write(opText, hello)
			case o.ID == helloID && o.OK != nil:
				welcome = true
				return nil
			case o.Err != nil:
				return fmt.Errorf("hello is refused: %s", o.Err)
			case welcome && each != nil:
				return each(o)
			case welcome:
				return nil
			}
			return fmt.Errorf("instead of an answer to hello: %.200s", o.Raw)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// objects waits for a message and calls each with the objects in it.
func (s *slim) objects(each func(*wire.Object) error) error {
	data, err := s.next()
	if err != nil {
		return err
	}
	f := frames.Get().(*wire.Frame)
	defer frames.Put(f)
	f.Reset(data)
	var o wire.Object
	for {
		switch err := f.Next(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(&o); err != nil {
			return err
		}
	}
}
