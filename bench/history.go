package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// HistoryConfig is a run in which one reader asks for pages of one chat with a long past. It starts a `weft up` of its own.
type HistoryConfig struct {
	Postgres string // URL of an empty database, or of one that a run has filled; empty: SQLite in Dir
	Dir      string // for the data, which the next run finds; empty: a temporary one, removed afterwards
	Messages int    // of the chat
	Others   int    // messages of others, among which they lie
	Body     int    // bytes of a body
	Page     int    // messages of a page
	Rounds   int    // pages of each sort
	Weft     string // the weft program; empty: this one
	Note     func(format string, args ...any)
}

// History measures how long a page of a long past takes: of random places in it, its newest and its oldest, asked of the
// history service over NATS and of an edge over HTTP.
func History(ctx context.Context, cfg HistoryConfig) (*Report, error) {
	r, err := runHistory(ctx, cfg)
	return r, cutShort(ctx, err)
}

func (cfg *HistoryConfig) validate() error {
	switch {
	case cfg.Messages < 1 || cfg.Others < 0 || cfg.Rounds < 1:
		return errors.New("bench: want at least one message and one round")
	case cfg.Page < 1 || cfg.Page > min(contract.MaxPage, cfg.Messages):
		return fmt.Errorf("bench: want pages of 1 to %d messages, as many as there are", contract.MaxPage)
	case cfg.Body < minWords:
		return fmt.Errorf("bench: want a body of %d bytes or more", minWords)
	}
	if cfg.Note == nil {
		cfg.Note = func(string, ...any) {}
	}
	return nil
}

// historyState is what a run leaves for the next one.
type historyState struct {
	Channel     fabric.ChannelID `json:"channel"`
	Messages    int              `json:"messages"`
	Others      int              `json:"others"`
	First, Last uint64           // seqs of the channel
}

// historyRun is what the parts of a run share.
type historyRun struct {
	cfg    HistoryConfig
	data   string
	state  historyState
	up     *upProcess
	nc     *nats.Conn
	reader user
	http   *http.Client
	faults Faults
}

func runHistory(ctx context.Context, cfg HistoryConfig) (_ *Report, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Dir == "" {
		if cfg.Dir, err = os.MkdirTemp("", "weft-bench"); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.Dir)) }()
	}
	run := &historyRun{cfg: cfg, data: filepath.Join(cfg.Dir, "data"), http: &http.Client{Timeout: 30 * time.Second}}
	if err := run.fill(ctx); err != nil {
		return nil, err
	}
	if err := run.start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.stop()) }()
	if err := run.rest(ctx); err != nil {
		return nil, err
	}
	engine := "SQLite"
	if cfg.Postgres != "" {
		engine = "PostgreSQL"
	}
	r := &Report{Mode: "history", Setting: fmt.Sprintf("%s, pages of %d from %d messages among %d others, %d of each sort, one at a time",
		engine, cfg.Page, run.state.Messages, run.state.Others, cfg.Rounds)}
	if err := run.measure(ctx, r); err != nil {
		return nil, err
	}
	r.Faults = run.faults
	return r, nil
}

// start brings weft up and signs the reader in.
func (run *historyRun) start(ctx context.Context) (err error) {
	if run.up, err = startUp(ctx, run.cfg.Weft, run.data, run.cfg.Postgres); err != nil {
		return err
	}
	err = func() error {
		users, err := run.target().users(ctx, 2)
		if err != nil {
			return err
		}
		run.reader = users[0]
		if run.nc, err = nats.Connect(run.up.NATS, nats.UserCredentials(run.up.Creds)); err != nil {
			return fmt.Errorf("bench: connect to nats: %w", err)
		}
		run.state.Channel = fabric.Direct(users[0].ID, users[1].ID)
		_, err = service.Call[contract.ChatsOpenReply](ctx, run.nc, subjects.ChatsOpen, contract.ChatsOpenRequest{User: users[0].ID, Peer: users[1].ID})
		return err
	}()
	if err != nil {
		return errors.Join(err, run.stop())
	}
	return nil
}

func (run *historyRun) stop() error {
	if run.nc != nil {
		run.nc.Close()
		run.nc = nil
	}
	return run.up.stop()
}

func (run *historyRun) target() Target {
	return Target{URL: run.up.URL, Ops: run.up.Ops, Note: run.cfg.Note}
}

// fill makes the past, unless an earlier run has.
func (run *historyRun) fill(ctx context.Context) error {
	file := filepath.Join(run.cfg.Dir, "history.json")
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("bench: %w", err)
	default:
		if err := json.Unmarshal(b, &run.state); err != nil {
			return fmt.Errorf("bench: %s: %w", file, err)
		}
		if run.state.Messages < run.cfg.Page {
			return fmt.Errorf("bench: %s tells of %d messages, fewer than a page has: choose another folder", file, run.state.Messages)
		}
		run.cfg.Note("the past of an earlier run: %d messages among %d others", run.state.Messages, run.state.Others)
		return nil
	}
	if err := os.MkdirAll(run.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	// The users and their chat first; nothing is archived yet, so that what is filled in can be older than all that comes.
	if err := run.start(ctx); err != nil {
		return err
	}
	if err := run.stop(); err != nil {
		return err
	}
	if err := run.write(ctx); err != nil {
		return err
	}
	if b, err = json.Marshal(run.state); err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// write archives the past directly: over the log it would take several times as long.
func (run *historyRun) write(ctx context.Context) (err error) {
	db, engine, err := openDatabase(ctx, run.cfg.Postgres, node.Database(run.data))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	at, err := db.Archived(ctx, 1)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if at[0] != 0 {
		return fmt.Errorf("bench: messages up to seq %d are archived already: want an empty database", at[0])
	}
	begun := time.Now()
	past := newPast(run.state.Channel, run.cfg)
	for past.left() {
		batch := past.batch()
		if err := db.Archive(ctx, 0, batch, past.seq); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if past.seq%1_000_000 == 0 {
			run.cfg.Note("%d of %d messages written to %s in %.0f s", past.seq, past.total, engine, time.Since(begun).Seconds())
		}
	}
	for done := false; !done; { // no word is in it, but the index has to know that
		if _, done, err = db.Index(ctx, 0, 10*pastBatch); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	run.state.Messages, run.state.Others = run.cfg.Messages, run.cfg.Others
	run.state.First, run.state.Last = past.first, past.prev[run.state.Channel]
	run.cfg.Note("%d messages written to %s in %.1f s", past.total, engine, time.Since(begun).Seconds())
	return nil
}

// restWithin is how long the server may be at work on its own after its start.
const restWithin = 5 * time.Minute

// rest waits until the server has nothing to do.
func (run *historyRun) rest(ctx context.Context) error {
	const look = time.Second
	was := run.target().sample(ctx)
	for begun := time.Now(); time.Since(begun) < restWithin; {
		if err := sleep(ctx, look); err != nil {
			return err
		}
		is := run.target().sample(ctx)
		busy := less(is.cpu, was.cpu)
		if busy == nil || *busy < 0.1*look.Seconds() {
			return nil
		}
		was = is
	}
	return fmt.Errorf("bench: the server is still at work on its own after %s", restWithin)
}

// sorts are the pages that are asked for.
var sorts = []struct {
	key, label string
	query      func(*historyRun) client.HistoryQuery
}{
	{"newest", "newest page", func(*historyRun) client.HistoryQuery { return client.HistoryQuery{} }},
	{"oldest", "oldest page", func(run *historyRun) client.HistoryQuery {
		return client.HistoryQuery{After: run.state.First} // behind the first, since 0 is no place
	}},
	{"random", "random page", func(run *historyRun) client.HistoryQuery {
		return client.HistoryQuery{Before: run.state.First + 1 + rand.Uint64N(run.state.Last-run.state.First)}
	}},
}

func (run *historyRun) measure(ctx context.Context, r *Report) error {
	ways := []struct {
		key, label string
		ask        func(context.Context, client.HistoryQuery) (contract.HistoryPageReply, error)
	}{{"verb", "over NATS", run.overNATS}, {"http", "over HTTP", run.overHTTP}}
	for _, sort := range sorts {
		for _, way := range ways {
			took := newLatency()
			before := run.target().sample(ctx)
			for i := range run.cfg.Rounds {
				q := sort.query(run)
				q.Limit = run.cfg.Page
				begun := time.Now()
				page, err := way.ask(ctx, q)
				if err != nil {
					return fmt.Errorf("bench: %s %s: %w", sort.label, way.label, err)
				}
				took.recorder().record(time.Since(begun))
				if i == 0 || sort.key == "random" {
					if err := run.check(page, q); err != nil {
						return err
					}
				}
			}
			after := run.target().sample(ctx)
			key, label := sort.key+"_"+way.key, sort.label+" "+way.label
			r.addQuantiles(key, label, took)
			r.add(key+"_server_cpu_us", label+", server CPU", scaled(per(less(after.cpu, before.cpu), number(run.cfg.Rounds)), 1e6), "µs/page")
		}
	}
	return nil
}

func (run *historyRun) overNATS(ctx context.Context, q client.HistoryQuery) (contract.HistoryPageReply, error) {
	req := contract.HistoryPageRequest{User: run.reader.ID, Channel: run.state.Channel, Before: q.Before, Limit: q.Limit}
	if q.After != 0 {
		req.After = &q.After
	}
	return service.Call[contract.HistoryPageReply](ctx, run.nc, subjects.HistoryPage, req)
}

func (run *historyRun) overHTTP(ctx context.Context, q client.HistoryQuery) (page contract.HistoryPageReply, err error) {
	url := fmt.Sprintf("%s/v1/channels/%s/messages?limit=%d", run.up.URL, run.state.Channel, q.Limit)
	if q.Before != 0 {
		url += fmt.Sprintf("&before=%d", q.Before)
	}
	if q.After != 0 {
		url += fmt.Sprintf("&after=%d", q.After)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return page, err
	}
	req.Header.Set("Authorization", "Bearer "+run.reader.Access)
	resp, err := run.http.Do(req)
	if err != nil {
		return page, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return page, fmt.Errorf("status %d", resp.StatusCode)
	}
	return page, json.NewDecoder(resp.Body).Decode(&page)
}

// check holds a page to be a whole one and a stretch of the channel's log.
func (run *historyRun) check(page contract.HistoryPageReply, q client.HistoryQuery) error {
	// Close to the beginning there are fewer messages before a place.
	if len(page.Messages) != q.Limit && q.Before == 0 {
		run.faults.add(&run.faults.Lost, "a page of %d has %d messages", q.Limit, len(page.Messages))
	}
	if len(page.Messages) == 0 {
		return nil
	}
	first, err := decodeStored(page.Messages[0])
	if err != nil {
		return err
	}
	_, err = follow(page, first.Prev, &run.faults, run.state.Channel)
	return err
}
