package chats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/storage/enginetest"
	"github.com/weft-im/weft/storage/storagetest"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// house is a NATS server and a database with users, on which a test starts as many chats roles as it wants.
type house struct {
	t      testing.TB
	nats   *weftest.NATS
	db     storagetest.Store
	nc     *nats.Conn
	reader *msglog.Reader
}

func newHouse(t testing.TB, cfg natsconfig.FabricConfig) *house {
	t.Helper()
	h := &house{t: t, nats: weftest.StartNATS(t, cfg), db: enginetest.Open(t)}
	var err error
	h.nc = h.nats.Connect(t)
	if h.reader, err = msglog.NewReader(h.nc, h.nats.Fabric.Shards); err != nil {
		t.Fatal(err)
	}
	return h
}

// in is the house in a part of the test: what it starts there ends with that part.
func (h *house) in(t testing.TB) *house {
	part := *h
	part.t = t
	return &part
}

// users registers one user per name.
func (h *house) users(names ...string) []fabric.UserID {
	h.t.Helper()
	list := make([]fabric.UserID, len(names))
	for i, name := range names {
		list[i] = storagetest.NewUser(h.t, h.db, name).ID
	}
	return list
}

// resident is a chats role that runs.
type resident struct {
	nc    *nats.Conn
	end   context.CancelFunc
	ready <-chan struct{}
	ended chan struct{}
	err   error
}

// role starts a role on a store, which ends with the test if not before, and waits until it serves.
func (h *house) role(store chats.Store, cfg chats.Config, opts ...nats.Option) *resident {
	h.t.Helper()
	r := h.start(store, cfg, opts...)
	select {
	case <-r.ready:
	case <-time.After(20 * time.Second):
		h.t.Fatal("the role does not get ready")
	}
	return r
}

// start is role that waits for nothing.
func (h *house) start(store chats.Store, cfg chats.Config, opts ...nats.Option) *resident {
	h.t.Helper()
	r := &resident{nc: h.nats.Connect(h.t, opts...), ended: make(chan struct{})}
	role, err := chats.New(r.nc, store, h.nats.Fabric.Shards, cfg, weftest.Logger(h.t), prometheus.NewRegistry())
	if err != nil {
		h.t.Fatal(err)
	}
	var ctx context.Context
	ctx, r.end = context.WithCancel(context.Background())
	go func() {
		defer close(r.ended)
		r.err = role.Run(ctx)
	}()
	r.ready = role.Ready()
	h.t.Cleanup(func() { _ = r.stop() })
	return r
}

// stop ends the role as a process that is told to ends it.
func (r *resident) stop() error {
	r.end()
	<-r.ended
	return r.err
}

// kill ends the role with no word to NATS; its store is the test's to take away.
func (r *resident) kill() {
	r.nc.Close()
	_ = r.stop() // of a dead one nobody hears why it died
}

// call asks a verb; code is the error's, empty for none.
func call[Reply any](h *house, verb subjects.Verb, req any) (reply Reply, code fabric.Code) {
	h.t.Helper()
	reply, err := service.Call[Reply](h.t.Context(), h.nc, verb, req)
	var known *fabric.Error
	switch {
	case errors.As(err, &known):
		code = known.Code
	case err != nil:
		h.t.Fatalf("%s: %v", verb, err)
	}
	return reply, code
}

// must asks a verb that has no reason to refuse.
func must[Reply any](h *house, verb subjects.Verb, req any) Reply {
	h.t.Helper()
	reply, code := call[Reply](h, verb, req)
	if code != "" {
		h.t.Fatalf("%s %+v: %s", verb, req, code)
	}
	return reply
}

func of(u fabric.UserID, g fabric.GroupID) contract.ChatsGroupRequest {
	return contract.ChatsGroupRequest{User: u, Group: g}
}

// Requests that tests make often.
func (h *house) create(owner fabric.UserID, members ...fabric.UserID) fabric.GroupID {
	h.t.Helper()
	return must[contract.ChatsCreateReply](h, subjects.ChatsCreate, contract.ChatsCreateRequest{User: owner, Name: "weavers", Members: members}).ID
}

func (h *house) add(by fabric.UserID, g fabric.GroupID, users ...fabric.UserID) {
	h.t.Helper()
	must[contract.ChatsAddReply](h, subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: of(by, g), Users: users})
}

func (h *house) remove(by fabric.UserID, g fabric.GroupID, member fabric.UserID) {
	h.t.Helper()
	must[struct{}](h, subjects.ChatsRemove, contract.ChatsRemoveRequest{ChatsGroupRequest: of(by, g), Member: member})
}

func (h *house) give(by fabric.UserID, g fabric.GroupID, member fabric.UserID, role fabric.Role) {
	h.t.Helper()
	must[contract.ChatsRoleReply](h, subjects.ChatsRole, contract.ChatsRoleRequest{ChatsGroupRequest: of(by, g), Member: member, Role: role})
}

// record is one record of a log.
type record struct {
	seq uint64
	fabric.Message
}

// log reads a channel's whole log.
func (h *house) log(c fabric.ChannelID) (all []record) {
	h.t.Helper()
	shard := subjects.Shard(c, h.nats.Fabric.Shards)
	head, err := h.reader.Head(h.t.Context(), subjects.MsgStream(shard))
	if err != nil {
		h.t.Fatal(err)
	}
	for after, more := uint64(0), true; more; {
		var page []msglog.Record
		if page, more, err = h.reader.Range(h.t.Context(), c, shard, after, head, 500); err != nil {
			h.t.Fatal(err)
		}
		for _, r := range page {
			rec := record{seq: r.Seq}
			if err := json.Unmarshal(r.Payload, &rec.Message); err != nil {
				h.t.Fatalf("record %d of %s: %v", r.Seq, c, err)
			}
			all = append(all, rec)
			after = r.Seq
		}
	}
	return all
}

// relayed waits until nothing waits in the outbox any more.
func (h *house) relayed() {
	h.t.Helper()
	weftest.Eventually(h.t, "all is in its log", func() bool {
		waiting, err := h.db.Outbox(h.t.Context(), 1)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(waiting) > 0 { // who waits for a lease to lapse is in no hurry by itself
			_ = h.nc.Publish(subjects.RelayKick, nil)
		}
		return len(waiting) == 0
	})
}

// waiting returns what is in the outbox.
func (h *house) waiting() []chats.Waiting {
	h.t.Helper()
	list, err := h.db.Outbox(h.t.Context(), 10_000)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// scribe is a store under which a role writes what it is asked for and relays nothing: another one has the lease.
type scribe struct{ chats.Store }

func (scribe) Lease(context.Context, string, string, int64, int64) (bool, error) { return false, nil }
func (scribe) Waits(context.Context, string) (bool, error)                       { return false, nil }

// unrelayed runs f with a role that relays nothing.
func (h *house) unrelayed(f func()) {
	h.t.Helper()
	r := h.role(scribe{h.db}, chats.Config{})
	f()
	if err := r.stop(); err != nil {
		h.t.Fatal(err)
	}
}

// trap is a store in which something happens at a step.
type trap struct {
	chats.Store
	mu     sync.Mutex
	before func(op string) error // an error is the operation's, which then does not happen
	after  func(op string) error // an error is the operation's, although it has happened
}

func (s *trap) at(hook *func(string) error, op string) error {
	s.mu.Lock()
	f := *hook
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op)
}

func (s *trap) step(op string, f func() error) error {
	if err := s.at(&s.before, op); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return s.at(&s.after, op)
}

func (s *trap) Lease(ctx context.Context, name, holder string, now, until int64) (held bool, err error) {
	op := "lease"
	if until <= now {
		op = "release"
	}
	err = s.step(op, func() error {
		held, err = s.Store.Lease(ctx, name, holder, now, until)
		return err
	})
	return held && err == nil, err
}

func (s *trap) Outbox(ctx context.Context, limit int) (list []chats.Waiting, err error) {
	err = s.step("outbox", func() error {
		list, err = s.Store.Outbox(ctx, limit)
		return err
	})
	return list, err
}

func (s *trap) Relayed(ctx context.Context, done []chats.Relayed) error {
	return s.step("relayed", func() error { return s.Store.Relayed(ctx, done) })
}

func (s *trap) Waits(ctx context.Context, cid string) (waits bool, err error) {
	err = s.step("waits", func() error {
		waits, err = s.Store.Waits(ctx, cid)
		return err
	})
	return waits, err
}

func (h *house) same(what string, got, want any) {
	h.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		h.t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// clock is a role's clock that stands where a test puts it, in Unix milliseconds.
func clock(at *atomic.Int64) func() time.Time {
	return func() time.Time { return time.UnixMilli(at.Load()) }
}
