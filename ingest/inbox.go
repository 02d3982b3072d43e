package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Times of bringing what users write into the inboxes.
const (
	ackWait    = 30 * time.Second // what a process that is gone had taken comes to another
	tryAgainIn = 2 * time.Second
)

// nobody is a subject of no log, for consumers while there is no service: one without a filter would bring everything.
const nobody = fabric.UserID("00000000-0000-0000-0000-000000000000")

// filter tells the consumers of the logs which services there are.
func (r *Role) filter(ctx context.Context, list []Service) error {
	accounts := make([]string, 0, len(list))
	for _, s := range list {
		accounts = append(accounts, string(s.User))
	}
	slices.Sort(accounts)
	now := strings.Join(accounts, " ")
	r.mu.Lock()
	same := r.filters == now && now != ""
	r.mu.Unlock()
	if same {
		return nil
	}
	for shard := range r.cfg.Shards {
		if _, err := r.js.CreateOrUpdateConsumer(ctx, subjects.MsgStream(shard), consumerOf(shard, accounts)); err != nil {
			return fmt.Errorf("consumer %s of %s: %w", subjects.IngestConsumer, subjects.MsgStream(shard), err)
		}
	}
	r.mu.Lock()
	r.filters = now
	r.mu.Unlock()
	return nil
}

func consumerOf(shard int, accounts []string) jetstream.ConsumerConfig {
	if len(accounts) == 0 {
		accounts = []string{string(nobody)}
	}
	var subs []string
	for _, a := range accounts {
		subs = append(subs, subjects.LogsWith(fabric.UserID(a), shard)...)
	}
	return jetstream.ConsumerConfig{
		Durable: subjects.IngestConsumer, Description: "brings what users write to internal services into their inboxes",
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		FilterSubjects: subs,
	}
}

// follow brings what users write to services into the inboxes until it is ended. The processes of the role share the
// consumers.
func (r *Role) follow() (end func(), err error) {
	var all []jetstream.ConsumeContext
	end = func() {
		for _, c := range all {
			c.Drain()
			<-c.Closed()
		}
	}
	for shard := range r.cfg.Shards {
		c, err := r.js.Consumer(r.ctx, subjects.MsgStream(shard), subjects.IngestConsumer)
		if err != nil {
			return end, fmt.Errorf("consumer of %s: %w", subjects.MsgStream(shard), err)
		}
		consuming, err := c.Consume(r.receive, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			r.log.Warn("following what users write to services was interrupted", "shard", shard, "err", err)
		}))
		if err != nil {
			return end, fmt.Errorf("follow %s: %w", subjects.MsgStream(shard), err)
		}
		all = append(all, consuming)
	}
	return end, nil
}

// receive puts a record that concerns a service into its inbox, or leaves it for a moment later.
func (r *Role) receive(m jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := r.deliver(ctx, m)
	switch {
	case err == nil:
		err = m.Ack()
	case errors.Is(err, errNotForService):
		err = m.Term()
	default:
		r.log.Error("what a user wrote is not in a service's inbox yet", "subject", m.Subject(), "err", err)
		err = m.NakWithDelay(tryAgainIn)
	}
	if err != nil {
		r.log.Error("cannot answer for what a user wrote to a service", "err", err)
	}
}

// errNotForService is of a record that goes into no inbox.
var errNotForService = errors.New("it is for no service")

func (r *Role) deliver(ctx context.Context, m jetstream.Msg) error {
	c, ok := subjects.ChannelOfLog(m.Subject())
	low, high, direct := c.Users()
	if !ok || !direct {
		return errNotForService
	}
	if fabric.IsOnly(m.Data()) {
		return errNotForService // it is its sender's alone
	}
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("where it is: %w", err)
	}
	in := contract.ServiceInbox{Channel: c, Seq: meta.Sequence.Stream, At: fabric.Millis(meta.Timestamp)}
	if err := json.Unmarshal(m.Data(), &in.Message); err != nil {
		return errNotForService // no message of Weft's
	}
	for _, side := range []struct{ account, user fabric.UserID }{{low, high}, {high, low}} {
		r.mu.RLock()
		name, known := r.accounts[side.account]
		r.mu.RUnlock()
		if !known || in.From == side.account {
			continue
		}
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		id := name + "." + m.Subject() + "." + strconv.FormatUint(in.Seq, 10)
		if _, err := r.js.Publish(ctx, subjects.ServiceInbox(name, side.user), data, jetstream.WithMsgID(id)); err != nil {
			return fmt.Errorf("inbox of %s: %w", name, err)
		}
		r.received.Inc()
	}
	return nil
}

// inboxConsumer is a service's own consumer of its inbox, which stays until the service is removed.
func inboxConsumer(name string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: name, Description: "what users write to service " + name, FilterSubject: subjects.ServiceInboxes(name),
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: hookAckWait, MaxAckPending: 1000,
	}
}

// openInbox makes a service's consumer, closeInbox takes it away.
func (r *Role) openInbox(ctx context.Context, name string) error {
	if _, err := r.js.CreateOrUpdateConsumer(ctx, subjects.ServiceInboxStream, inboxConsumer(name)); err != nil {
		return fmt.Errorf("inbox of %s: %w", name, err)
	}
	return nil
}

func (r *Role) closeInbox(ctx context.Context, name string) error {
	err := r.js.DeleteConsumer(ctx, subjects.ServiceInboxStream, name)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("inbox of %s: %w", name, err)
	}
	return nil
}
