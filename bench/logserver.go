package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// LogConfig is a log that a run fills, in a process of its own beside the role that is measured.
type LogConfig struct {
	Dir      string // of JetStream
	Channels int    // direct chats over which the messages go in turn
	Body     int    // bytes of a body
}

// logReady is the first line that ServeLog writes.
type logReady struct {
	URL    string `json:"url"` // of NATS
	Fabric string `json:"fabric"`
	// Channels are the first of them, by which a run can look whether all is there.
	Channels []fabric.ChannelID `json:"channels"`
}

// logOrder is a line that ServeLog reads: so many messages, at a rate (a second; 0: as fast as they are stored).
type logOrder struct {
	Messages int     `json:"messages"`
	Rate     float64 `json:"rate,omitempty"`
	Ack      bool    `json:"ack,omitempty"` // whoever gets a message acks it at once, by a device that has the id of its user
}

// logDone answers an order.
type logDone struct {
	Seconds float64  `json:"seconds"`
	CPU     *float64 `json:"cpu"` // seconds that this process took for it, the NATS server's included
}

// shownChannels is how many channels logReady names.
const shownChannels = 100

// ServeLog runs a NATS server with a fabric's streams and fills its log by the orders that it reads, until there are no
// more. Archive starts it as a process of its own.
func ServeLog(ctx context.Context, cfg LogConfig, orders io.Reader, answers io.Writer) error {
	if cfg.Channels < 1 || cfg.Body < minWords {
		return fmt.Errorf("bench: want at least one channel, and a body of %d bytes or more", minWords)
	}
	srv, err := natsconfig.Start(natsconfig.ServerConfig{
		Listen: "127.0.0.1:0", StoreDir: cfg.Dir, SyncInterval: 100 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		return fmt.Errorf("bench: connect to the log's server: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(8192))
	if err != nil {
		return fmt.Errorf("bench: jetstream: %w", err)
	}
	f, err := natsconfig.Provision(ctx, js, natsconfig.FabricConfig{Shards: 1})
	if err != nil {
		return err
	}
	fill := newFill(js, cfg)
	say := json.NewEncoder(answers)
	err = say.Encode(logReady{URL: srv.ClientURL(), Fabric: f.ID, Channels: fill.channels[:min(len(fill.channels), shownChannels)]})
	for lines := bufio.NewScanner(orders); err == nil && lines.Scan(); {
		var order logOrder
		if err = json.Unmarshal(lines.Bytes(), &order); err != nil {
			return fmt.Errorf("bench: an order: %w", err)
		}
		begun, cpu := time.Now(), loaderCPU()
		if err = fill.send(ctx, order); err == nil {
			err = say.Encode(logDone{Seconds: time.Since(begun).Seconds(), CPU: less(loaderCPU(), cpu)})
		}
	}
	return err
}

// fill writes messages into a log.
type fill struct {
	js       jetstream.JetStream
	body     int
	channels []fabric.ChannelID
	next     int // channels take turns
	words    *rand.Rand
	buffer   []byte
	acks     []byte
}

func newFill(js jetstream.JetStream, cfg LogConfig) *fill {
	f := &fill{js: js, body: cfg.Body, words: rand.New(rand.NewPCG(1, 2))}
	for range cfg.Channels {
		f.channels = append(f.channels, fabric.Direct(fabric.NewUserID(), fabric.NewUserID()))
	}
	return f
}

// fillTick is how often a fill at a rate sends what is due.
const fillTick = 5 * time.Millisecond

// send sends what is ordered and waits until it is stored.
func (f *fill) send(ctx context.Context, order logOrder) error {
	begun := time.Now()
	for sent := 0; sent < order.Messages; {
		due := order.Messages
		if order.Rate > 0 {
			due = min(due, int(time.Since(begun).Seconds()*order.Rate))
		}
		for ; sent < due; sent++ {
			if err := f.one(order.Ack); err != nil {
				return fmt.Errorf("bench: write message %d: %w", sent, err)
			}
			if len(f.acks) > maxTold {
				if err := f.tell(); err != nil {
					return err
				}
			}
		}
		if err := f.tell(); err != nil {
			return err
		}
		if order.Rate > 0 {
			if err := sleep(ctx, fillTick); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	select {
	case <-f.js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// maxTold is about how many bytes of acks are told at once.
const maxTold = 64 << 10

// tell tells what was acked, as edges do.
func (f *fill) tell() error {
	if len(f.acks) == 0 {
		return nil
	}
	if err := f.js.Conn().Publish(subjects.Acked("bench"), f.acks); err != nil {
		return fmt.Errorf("bench: tell acks: %w", err)
	}
	f.acks = nil
	return nil
}

// one sends the next message, as an edge writes it.
func (f *fill) one(ack bool) error {
	c := f.channels[f.next%len(f.channels)]
	from, to, ok := c.Users()
	if !ok {
		return errors.New("a channel of no two users")
	}
	f.next++
	if ack { // the log is this fill's alone: its seqs are known
		f.acks = fmt.Appendf(f.acks, "%s %s %s %d 0\n", c, to, to, f.next)
	}
	cid := fabric.NewCID()
	f.buffer = appendWords(f.buffer[:0], f.words, f.body)
	m := nats.NewMsg(subjects.Log(c, 0))
	m.Header[subjects.HeaderMsgID] = []string{subjects.MsgID(from, cid)}
	m.Data = fabric.AppendPayload(make([]byte, 0, f.body+160), from, cid, fabric.MsgText, f.buffer)
	_, err := f.js.PublishMsgAsync(m, jetstream.WithStallWait(30*time.Second))
	return err
}
