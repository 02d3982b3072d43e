package edgetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// patience bounds every wait for the server.
const patience = 20 * time.Second

// Object is what the server says: a reply or an event.
type Object map[string]any

// Event returns the event's name, "" for a reply.
func (o Object) Event() string { s, _ := o["ev"].(string); return s }

// Err returns the code of an error.
func (o Object) Err() fabric.Code {
	e, _ := o["err"].(map[string]any)
	s, _ := e["code"].(string)
	return fabric.Code(s)
}

// OK returns the reply's content.
func (o Object) OK() Object { m, _ := o["ok"].(map[string]any); return m }

// Num returns a number field.
func (o Object) Num(field string) uint64 { n, _ := o[field].(float64); return uint64(n) }

// Str returns a text field.
func (o Object) Str(field string) string { s, _ := o[field].(string); return s }

// Conn is a WebSocket whose every frame the test writes itself.
type Conn struct {
	t       testing.TB
	ws      *websocket.Conn
	ids     int
	ops     map[int]string
	seen    func(op string, raw []byte)
	waiting []Object // came, and nobody has asked for it
}

// Dial connects to an edge and takes its info.
func Dial(t testing.TB, e *Edge) *Conn {
	t.Helper()
	c, _ := DialInfo(t, e)
	return c
}

// DialInfo is Dial, and returns the info.
func DialInfo(t testing.TB, e *Edge) (*Conn, Object) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, e.URL+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{"weft.v1"}})
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	ws.SetReadLimit(-1)
	c := &Conn{t: t, ws: ws, ops: make(map[int]string), seen: e.Seen}
	return c, c.Await("info", func(o Object) bool { return o.Event() == "info" })
}

// Connect dials, says hello and waits until the session is synced. What it missed is kept for Await.
func Connect(t testing.TB, e *Edge, g client.Grant, cursor string) *Conn {
	t.Helper()
	c := Dial(t, e)
	if code := c.Call("hello", map[string]any{"token": g.AccessToken, "cursor": cursor}).Err(); code != "" {
		t.Fatalf("hello: %s", code)
	}
	return c
}

// Synced waits for the end of the resume and returns what it brought, and the cursor.
func (c *Conn) Synced() (missed []Object, cursor string) {
	c.t.Helper()
	for {
		o := c.Next()
		switch o.Event() {
		case "synced":
			return missed, o.Str("cursor")
		case "message":
			missed = append(missed, o)
		}
	}
}

// Raw sends a text frame as it stands.
func (c *Conn) Raw(frame string) {
	c.t.Helper()
	c.Frame(websocket.MessageText, []byte(frame))
}

// Frame sends a frame of any kind.
func (c *Conn) Frame(kind websocket.MessageType, data []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.ws.Write(ctx, kind, data); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// Ask sends a request and returns its id.
func (c *Conn) Ask(op string, fields map[string]any) int {
	c.t.Helper()
	c.ids++
	c.ops[c.ids] = op
	req := map[string]any{"op": op, "id": c.ids}
	for k, v := range fields {
		if v != "" {
			req[k] = v
		}
	}
	b, err := json.Marshal(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Raw(string(b))
	return c.ids
}

// Call sends a request and waits for its reply.
func (c *Conn) Call(op string, fields map[string]any) Object {
	c.t.Helper()
	return c.Reply(c.Ask(op, fields))
}

// Reply waits for the reply to a request.
func (c *Conn) Reply(id int) Object {
	c.t.Helper()
	return c.Await(fmt.Sprintf("the reply to %d", id), func(o Object) bool { return o["id"] == float64(id) })
}

// Send sends a text message and returns where it is stored.
func (c *Conn) Send(to string, cid, text string) Object {
	c.t.Helper()
	if cid == "" {
		cid = fabric.NewCID()
	}
	reply := c.Call("send", map[string]any{"to": to, "cid": cid, "kind": "text", "body": map[string]string{"text": text}})
	if reply.Err() != "" {
		c.t.Fatalf("send: %v", reply)
	}
	return reply.OK()
}

// Event waits for an event.
func (c *Conn) Event(name string) Object {
	c.t.Helper()
	return c.Await("event "+name, func(o Object) bool { return o.Event() == name })
}

// Await waits for an object, whatever comes before it.
func (c *Conn) Await(what string, is func(Object) bool) Object {
	c.t.Helper()
	for i, o := range c.waiting {
		if is(o) {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			return o
		}
	}
	for {
		o, err := c.read()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", what, err)
		}
		for i, one := range o {
			if is(one) {
				c.waiting = append(c.waiting, o[i+1:]...)
				return one
			}
			c.waiting = append(c.waiting, one)
		}
	}
}

// Came reports whether an object came that nobody has asked for, by when the server answers a ping.
func (c *Conn) Came(is func(Object) bool) bool {
	c.t.Helper()
	c.Call("ping", nil)
	return slices.ContainsFunc(c.waiting, is)
}

// Next returns what came next.
func (c *Conn) Next() Object {
	c.t.Helper()
	return c.Await("anything", func(Object) bool { return true })
}

// Closed waits until the server ends the connection, and returns the code.
func (c *Conn) Closed() websocket.StatusCode {
	c.t.Helper()
	return c.ClosedWith().Code
}

// ClosedWith waits until the server closes the connection, and returns with what.
func (c *Conn) ClosedWith() websocket.CloseError {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			var closed websocket.CloseError
			if !errors.As(err, &closed) {
				c.t.Fatalf("waiting for the close: %v", err)
			}
			return closed
		}
	}
}

// Hangup ends the connection without a word.
func (c *Conn) Hangup() { _ = c.ws.CloseNow() }

func (c *Conn) read() ([]Object, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, data, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for line := range strings.SplitSeq(string(data), "\n") {
		var o Object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			return nil, fmt.Errorf("the server sent %q: %w", line, err)
		}
		if c.seen != nil {
			id, _ := o["id"].(float64)
			c.seen(c.ops[int(id)], []byte(line))
		}
		objects = append(objects, o)
	}
	return objects, nil
}
