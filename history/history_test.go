package history_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// past is a fabric with a history role on it, and what a test does to it.
type past struct {
	t      testing.TB
	nats   *weftest.NATS
	js     jetstream.JetStream
	store  database
	shards int
	stop   func() // the running role; nil if none is
}

func newPast(t testing.TB, shards int) *past {
	t.Helper()
	n := weftest.StartNATS(t, natsconfig.FabricConfig{Shards: shards})
	return &past{t: t, nats: n, js: n.JetStream(t), store: openStore(t), shards: shards}
}

// start runs the role until stop or the test's end.
func (p *past) start(store history.Store, cfg history.Config) {
	p.t.Helper()
	role, err := history.New(p.nats.Connect(p.t), store, p.shards, cfg, weftest.Logger(p.t), prometheus.NewRegistry())
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- role.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("role ended with %v", err)
		}
	})
	p.t.Cleanup(p.stop)
	select {
	case <-role.Ready():
	case <-time.After(10 * time.Second):
		p.t.Fatal("the role is not ready within 10 s")
	}
}

// say stores a message in c's log and returns its seq.
func (p *past) say(c fabric.ChannelID, from fabric.UserID, text string) uint64 {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.write(c, fabric.AppendPayload(nil, from, fabric.NewCID(), "text", body))
}

// write stores any payload in c's log and returns its seq.
func (p *past) write(c fabric.ChannelID, payload []byte) uint64 {
	p.t.Helper()
	ack, err := p.js.Publish(context.Background(), subjects.Log(c, subjects.Shard(c, p.shards)), payload)
	if err != nil {
		p.t.Fatal(err)
	}
	return ack.Sequence
}

func ask[Reply any](p *past, verb subjects.Verb, req any) (Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return service.Call[Reply](ctx, p.nats.Connect(p.t), verb, req)
}

func must[Reply any](p *past, verb subjects.Verb, req any) Reply {
	p.t.Helper()
	reply, err := ask[Reply](p, verb, req)
	if err != nil {
		p.t.Fatalf("%s: %v", verb, err)
	}
	return reply
}

func (p *past) settle() contract.HistorySettleReply {
	p.t.Helper()
	return must[contract.HistorySettleReply](p, subjects.HistorySettle, contract.HistorySettleRequest{})
}

// texts shows messages as seq<prev text, what most tests are about.
func texts(t testing.TB, objects []json.RawMessage) string {
	t.Helper()
	var s []string
	for _, o := range objects {
		var m fabric.Stored
		var body struct{ Text string }
		if err := json.Unmarshal(o, &m); err != nil {
			t.Fatalf("message object %s: %v", o, err)
		}
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatalf("message object %s: %v", o, err)
		}
		s = append(s, fmt.Sprintf("%d<%d %s", m.Seq, m.Prev, body.Text))
	}
	return fmt.Sprint(s)
}
