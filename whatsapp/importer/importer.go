// Package importer brings an exported WhatsApp chat into a channel. It asks the roles over NATS who the channel's members
// are and what is in it, says in a Plan what it would add, and adds that to the channel's log.
//
// A message's cid follows from what it is (its channel, time, author and text), so that what is there is not added
// again: not by a second import, not by one that follows a break, not by that of a longer export of the same chat.
package importer

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Config says where a chat goes.
type Config struct {
	Channel fabric.ChannelID         // a group or a direct chat
	As      map[string]fabric.UserID // authors, as the file has them, and the members that they are
	From    fabric.UserID            // the member who stands for authors whom nobody else is; "" for none
}

// Importer brings chats into one channel.
type Importer struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	cfg    Config
	shard  int
	window int
}

// Window is how many records are under way to the store at once.
const Window = 256

// nobody reads a channel's history without any member's eyes: what a member has hidden for themselves is there all the same.
const nobody fabric.UserID = "00000000-0000-0000-0000-000000000000"

// New returns an importer on nc, which must be a role's or an operator's connection. The error has CodeBadRequest where
// the channel is none that can be written to.
func New(ctx context.Context, nc *nats.Conn, cfg Config) (*Importer, error) {
	if _, err := fabric.ParseChannelID(string(cfg.Channel)); err != nil {
		return nil, err
	}
	if cfg.Channel.Kind() == fabric.KindSelf {
		return nil, fabric.Errorf(fabric.CodeBadRequest, "nobody writes to a self channel: want a group, g.<group id>, or a direct chat, <low>.<high>")
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(Window), jetstream.WithPublishAsyncTimeout(ackTimeout))
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	shards, err := shardCount(ctx, js)
	if err != nil {
		return nil, err
	}
	return &Importer{nc: nc, js: js, cfg: cfg, shard: subjects.Shard(cfg.Channel, shards), window: Window}, nil
}

// shardCount reads what is fixed for the fabric.
func shardCount(ctx context.Context, js jetstream.JetStream) (int, error) {
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if err != nil {
		return 0, fmt.Errorf("bucket %s: is this a fabric's NATS? %w", subjects.BucketFabric, err)
	}
	e, err := kv.Get(ctx, "shards")
	if err != nil {
		return 0, fmt.Errorf("read the fabric's shard count: %w", err)
	}
	n, err := strconv.Atoi(string(e.Value()))
	if err != nil || n < 1 || n > fabric.MaxShards {
		return 0, fmt.Errorf("the fabric's shard count is %q: want 1 to %d", e.Value(), fabric.MaxShards)
	}
	return n, nil
}

// known returns which of the cids the channel has: it reads all of its history.
func (im *Importer) known(ctx context.Context, of map[string]bool) (map[string]bool, error) {
	known := make(map[string]bool)
	after := uint64(0)
	for {
		page, err := service.Call[contract.HistoryPageReply](ctx, im.nc, subjects.HistoryPage, contract.HistoryPageRequest{
			User: nobody, Channel: im.cfg.Channel, After: &after, Limit: contract.MaxPage,
		})
		if err != nil {
			return nil, fmt.Errorf("read what channel %s has: %w", im.cfg.Channel, err)
		}
		for _, object := range page.Messages {
			seq, cid, err := place(object)
			if err != nil {
				return nil, err
			}
			after = max(after, seq)
			if of[cid] {
				known[cid] = true
			}
		}
		if !page.More || len(page.Messages) == 0 {
			return known, nil
		}
	}
}
