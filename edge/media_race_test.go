package edge_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// crowd is people who upload, send, forward and delete files at once, while the sweep runs all the time and spares nothing
// that is not sent within the moment.
type crowd struct {
	t     *testing.T
	e     *edgetest.Edge
	users []client.Grant
	conns []*edgetest.Conn
	mu    []sync.Mutex // a Conn is for one goroutine

	lock  sync.Mutex
	files []upFile
	sent  []sentFile
}

type upFile struct {
	id      fabric.MediaID
	content string
}

type sentFile struct {
	upFile
	by      int
	channel string
	seq     uint64
}

func (c *crowd) tus(u int) tus { return tus{c.t, c.e.URL, c.users[u]} }

func (c *crowd) channel(a, b int) string { return string(edgetest.Direct(c.users[a], c.users[b])) }

// send sends a file if it is still there, and whether it is is the server's to say.
func (c *crowd) send(u, to int, f upFile) {
	c.mu[u].Lock()
	o := sendMedia(c.conns[u], c.channel(u, to), f.id)
	c.mu[u].Unlock()
	switch o.Err() {
	case "":
		c.lock.Lock()
		c.sent = append(c.sent, sentFile{f, u, c.channel(u, to), o.OK().Num("seq")})
		c.lock.Unlock()
	case fabric.CodeNotFound: // it was removed, or is not theirs
	default:
		c.t.Errorf("send: %v", o)
	}
}

func (c *crowd) delete(s sentFile) {
	resp, body := c.tus(s.by).do("DELETE", fmt.Sprintf("/v1/channels/%s/messages/%d?for=all", s.channel, s.seq), nil) //nolint:bodyclose // do closes it
	if resp.StatusCode != http.StatusNoContent {
		c.t.Errorf("delete: %d %s", resp.StatusCode, body)
	}
}

// act is one thing that somebody does.
type act struct {
	What          string
	User, To, Nth int
}

func (c *crowd) do(a act) {
	to := (a.User + 1 + a.To%(len(c.users)-1)) % len(c.users)
	c.lock.Lock()
	var f upFile
	if len(c.files) > 0 {
		f = c.files[a.Nth%len(c.files)]
	}
	if a.What == "forward" && len(c.sent) > 0 {
		f = c.sent[a.Nth%len(c.sent)].upFile
	}
	var s sentFile
	if a.What == "delete" && len(c.sent) > 0 {
		i := a.Nth % len(c.sent)
		s = c.sent[i]
		c.sent = slices.Delete(c.sent, i, i+1)
	}
	c.lock.Unlock()
	switch a.What {
	case "upload", "upload and send":
		content := fmt.Sprintf("content %d", a.Nth%3) // equal ones are kept once
		f := upFile{c.tus(a.User).upload(c.channel(a.User, to), []byte(content), "x.txt", ""), content}
		c.lock.Lock()
		c.files = append(c.files, f)
		c.lock.Unlock()
		if a.What == "upload and send" {
			c.send(a.User, to, f)
		}
	case "send", "forward":
		if f.id != "" {
			c.send(a.User, to, f)
		}
	case "delete":
		if s.id != "" {
			c.delete(s)
		}
	}
}

// What a message names is there for who may read it, whatever else is sent, forwarded, deleted and swept meanwhile; and
// when no message names anything, nothing is left.
func TestWhatMessagesNameIsThere(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Media: media.Config{
		Unsent: time.Millisecond, Grace: time.Millisecond, Hold: 3 * time.Second, SweepEvery: 2 * time.Millisecond,
	}})
	e := f.Edge(t)
	c := &crowd{t: t, e: e, mu: make([]sync.Mutex, 3)}
	for i := range 3 {
		c.users = append(c.users, f.User(t, e, fmt.Sprint("user ", i)))
		c.conns = append(c.conns, edgetest.Connect(t, e, c.users[i], ""))
	}
	gen := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{
			rapid.SampledFrom([]string{"upload", "upload and send", "upload and send", "send", "forward", "forward", "delete"}).Draw(t, "what"),
			rapid.IntRange(0, 2).Draw(t, "user"), rapid.IntRange(0, 1).Draw(t, "to"), rapid.IntRange(0, 50).Draw(t, "nth"),
		}
	}), 1, 8)
	began := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		acts := gen.Draw(rt, "at once")
		if time.Since(began) > 15*time.Second {
			return // it has seen a lot
		}
		var wg sync.WaitGroup
		for _, a := range acts {
			wg.Go(func() { c.do(a) })
		}
		wg.Wait()
		c.lock.Lock()
		defer c.lock.Unlock()
		for len(c.sent) > 12 { // what came first goes
			c.delete(c.sent[0])
			c.sent = c.sent[1:]
		}
		for _, s := range c.sent {
			if resp, body := c.tus(s.by).get(s.id); resp.StatusCode != http.StatusOK || body != s.content { //nolint:bodyclose // do closes it
				rt.Fatalf("%s, which message %d of %s names: %d %q, want %q", s.id, s.seq, s.channel, resp.StatusCode, body, s.content)
			}
		}
	})
	for _, s := range c.sent {
		c.delete(s)
	}
	js, err := jetstream.New(f.NATS.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	weftest.Eventually(t, "nothing is left", func() bool {
		s, err := js.Stream(t.Context(), subjects.MediaStream(0))
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.Msgs == 0
	})
}
