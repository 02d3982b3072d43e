package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// MediaConfig is a run in which files go up and come down. It starts a server of its own.
type MediaConfig struct {
	Dir     string        // for the data; empty: a temporary one, removed afterwards
	Bytes   int64         // of a file
	Uploads int           // at once, while the server's memory and the chat are watched
	Pairs   int           // who chat meanwhile
	Every   time.Duration // each pair sends a message so often
	Calm    time.Duration // how long the chat is watched without uploads, again and again, and twice as long with them
	Rest    time.Duration // the server's memory stays the same for so long before; default 20 s
	Weft    string        // the weft program; empty: this one
	Note    func(format string, args ...any)
}

func (cfg *MediaConfig) validate() error {
	if cfg.Bytes < 10<<20 || cfg.Uploads < 1 || cfg.Pairs < 1 || cfg.Every <= 0 || cfg.Calm <= 0 {
		return errors.New("bench: want files of 10 MiB or more, an upload, a pair and some time")
	}
	if cfg.Note == nil {
		cfg.Note = func(string, ...any) {}
	}
	if cfg.Rest <= 0 {
		cfg.Rest = restSame
	}
	return nil
}

// Media measures uploads and downloads beside what the stock client of NATS's object store moves on the same server, and
// what uploads at once do to the server's memory and to a chat.
func Media(ctx context.Context, cfg MediaConfig) (*Report, error) {
	r, err := runMedia(ctx, cfg)
	return r, cutShort(ctx, err)
}

// mediaRun is a run's server, and who is on it.
type mediaRun struct {
	cfg    MediaConfig
	report *Report
	up     *upProcess
	target Target
	users  []user
}

func runMedia(ctx context.Context, cfg MediaConfig) (_ *Report, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loaderGC))
	if cfg.Dir == "" {
		if cfg.Dir, err = os.MkdirTemp("", "weft-bench"); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.Dir)) }()
	}
	up, err := startUp(ctx, cfg.Weft, cfg.Dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, up.stop()) }()
	m := &mediaRun{cfg: cfg, up: up, target: Target{URL: up.URL, Ops: up.Ops, Note: cfg.Note}, report: &Report{
		Mode: "media", Setting: fmt.Sprintf("files of %d MiB, %d at once", cfg.Bytes>>20, cfg.Uploads),
	}}
	if m.users, err = m.target.users(ctx, max(2*cfg.Pairs, cfg.Uploads+1)); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{m.throughput, m.rest, m.busy} {
		if err := step(ctx); err != nil {
			return m.report, err
		}
	}
	return m.report, nil
}

// uploadOrder is who uploads at once, each into the chat with the next one.
func (m *mediaRun) uploadOrder() uploadOrder {
	order := uploadOrder{URL: m.up.URL, Bytes: m.cfg.Bytes}
	for i := range m.cfg.Uploads {
		order.By = append(order.By, uploader{Access: m.users[i].Access, To: string(m.users[i+1].ID)})
	}
	return order
}

// pattern is a file without end whose parts all differ, and which costs nothing to make.
type pattern struct{ seed []byte }

func newPattern() pattern {
	p := pattern{make([]byte, 1<<20+7)} // no multiple of a part
	_, _ = rand.Read(p.seed)            // it never fails
	return p
}

// ReadAt implements io.ReaderAt.
func (p pattern) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		n += copy(b[n:], p.seed[(at+int64(n))%int64(len(p.seed)):])
	}
	return n, nil
}

// mibs returns MiB a second.
func (m *mediaRun) mibs(took time.Duration) float64 {
	return float64(m.cfg.Bytes) / (1 << 20) / took.Seconds()
}

// throughput moves one file at a time, by the stock client and by ours, each twice, and takes the better one.
func (m *mediaRun) throughput(ctx context.Context) error {
	put, get, err := m.stock(ctx)
	if err != nil {
		return err
	}
	var ours, down float64
	var f client.Media
	a := client.NewAccount(client.API{URL: m.up.URL}, client.StaticToken(m.users[0].Access))
	for range 2 {
		began := time.Now()
		f, err = a.Upload(ctx, client.Upload{To: string(m.users[1].ID), Name: "bench.bin", Size: m.cfg.Bytes, Body: newPattern()})
		if err != nil {
			return fmt.Errorf("bench: upload: %w", err)
		}
		ours = max(ours, m.mibs(time.Since(began)))
		began = time.Now()
		n, err := a.Download(ctx, f.ID, io.Discard)
		if err != nil || n != m.cfg.Bytes {
			return fmt.Errorf("bench: download of %d bytes: %w", n, err)
		}
		down = max(down, m.mibs(time.Since(began)))
	}
	m.report.add("stock_put_mib_s", "the stock object store client puts", &put, "MiB/s")
	m.report.add("upload_mib_s", "an upload", &ours, "MiB/s")
	m.report.add("upload_ratio", "of the stock client's", number(100*ours/put), "%")
	m.report.add("stock_get_mib_s", "the stock object store client gets", &get, "MiB/s")
	m.report.add("download_mib_s", "a download", &down, "MiB/s")
	m.report.add("download_ratio", "of the stock client's", number(100*down/get), "%")
	return m.ranges(ctx, f)
}

// stockBytes is the largest object that the stock client puts here. It has up to 500 MiB under way at once, for which it has
// no setting, and the server refuses what exceeds its buffer of 128 MiB: a put of 1 GiB in one object fails.
const stockBytes = 100 << 20

// stock moves as many bytes as a file has, in objects of stockBytes, one after the other.
func (m *mediaRun) stock(ctx context.Context) (put, get float64, err error) {
	nc, err := nats.Connect(m.up.Files, nats.UserCredentials(m.up.Creds))
	if err != nil {
		return 0, 0, fmt.Errorf("bench: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, 0, fmt.Errorf("bench: %w", err)
	}
	const bucket = "BENCH"
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: bucket, Storage: jetstream.FileStorage})
	if err != nil {
		return 0, 0, fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, js.DeleteObjectStore(context.WithoutCancel(ctx), bucket)) }()
	for i := range 2 {
		names := make([]string, 0, m.cfg.Bytes/stockBytes+1)
		began := time.Now()
		for at := int64(0); at < m.cfg.Bytes; at += stockBytes {
			name := fmt.Sprintf("file %d at %d", i, at)
			part := io.NewSectionReader(newPattern(), at, min(stockBytes, m.cfg.Bytes-at))
			if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: name}, part); err != nil {
				return 0, 0, fmt.Errorf("bench: put: %w", err)
			}
			names = append(names, name)
		}
		put = max(put, m.mibs(time.Since(began)))
		began = time.Now()
		for _, name := range names {
			o, err := store.Get(ctx, name)
			if err == nil {
				_, err = io.Copy(io.Discard, o)
				err = errors.Join(err, o.Close())
			}
			if err != nil {
				return 0, 0, fmt.Errorf("bench: get: %w", err)
			}
		}
		get = max(get, m.mibs(time.Since(began)))
	}
	return put, get, nil
}

// ranges reads the first byte of ranges at the beginning and near the end of a file, in turns.
func (m *mediaRun) ranges(ctx context.Context, f client.Media) error {
	const rounds = 31
	var early, late []time.Duration
	for i := range rounds {
		for at, list := range map[int64]*[]time.Duration{int64(i): &early, m.cfg.Bytes/10*9 + int64(i): &late} {
			took, err := m.firstByte(ctx, f.ID, at)
			if err != nil {
				return err
			}
			*list = append(*list, took)
		}
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2].Microseconds()) / 1000
	}
	first, last := median(early), median(late)
	m.report.add("range_0_ms", "first byte of a range at 0 %", &first, "ms")
	m.report.add("range_90_ms", "first byte of a range at 90 %", &last, "ms")
	m.report.add("range_ratio", "that is", number(last/first), "×")
	return nil
}

func (m *mediaRun) firstByte(ctx context.Context, id fabric.MediaID, at int64) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.up.URL+"/v1/media/"+string(id), nil)
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+m.users[0].Access)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+1023))
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	defer resp.Body.Close()
	_, err = io.ReadFull(resp.Body, make([]byte, 1))
	took := time.Since(began)
	if err != nil || resp.StatusCode != http.StatusPartialContent {
		return 0, fmt.Errorf("bench: a range: status %d, %w", resp.StatusCode, err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return took, err
}

// When the server counts as being at rest: what NATS keeps of files for a while (10 s past their last use) is gone then, and
// given back.
const (
	restSame  = 20 * time.Second // its memory stays the same for so long, by default
	restBytes = 1 << 20          // but for that much
	restMost  = 2 * time.Minute
)

// rest lets the server come to rest.
func (m *mediaRun) rest(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	began := time.Now()
	var was int
	for since := began; time.Since(since) < m.cfg.Rest && time.Since(began) < restMost; {
		is, err := m.up.resident()
		if err != nil {
			return err
		}
		if is > was+restBytes || is < was-restBytes {
			was, since = is, time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// How the chat is watched: calm and uploads take turns, so that a machine that is slower for a while is so for both.
const (
	calmsAnUpload = 2               // the files go up for so many times as long as it is calm
	settle        = 2 * time.Second // what is under way comes to its end before it counts as calm
)

// busy watches a chat and the server's memory while files go up, and the chat in between while their bytes stop coming.
func (m *mediaRun) busy(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	chat, err := m.chat(ctx)
	if err != nil {
		return err
	}
	defer chat.close()
	idle, err := m.up.resident()
	if err != nil {
		return err
	}
	alone, enough := context.WithTimeout(ctx, settle+m.cfg.Calm)
	defer enough()
	chatting, err := m.peak(alone)
	if err != nil {
		return err
	}
	up, err := startUploads(ctx, m.cfg.Weft, m.uploadOrder())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.close()) }()
	done, noMore := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() {
		<-up.done
		noMore()
	})
	var most int
	var blind error
	watchers.Go(func() { most, blind = m.peak(done) })
	calm, during := newLatency(), newLatency()
	halves := [2]*latency{newLatency(), newLatency()} // of the calm, spell by spell
	var took time.Duration
	var lost error
	for turn := 0; done.Err() == nil && lost == nil; turn++ {
		_ = sleep(done, settle) // where one of these waits is cut short, the loop's condition tells
		chat.measure(calm, halves[turn%2])
		_ = sleep(done, m.cfg.Calm)
		chat.measure(during)
		lost = up.open(true)
		began := time.Now()
		_ = sleep(done, calmsAnUpload*m.cfg.Calm)
		took += time.Since(began)
		lost = errors.Join(lost, up.open(false))
		chat.measure()
	}
	if lost != nil {
		stop()
	}
	watchers.Wait()
	_ = sleep(ctx, settle) // a context that has ended is reported below
	if err := errors.Join(lost, up.err, blind, chat.failure(), ctx.Err()); err != nil {
		return err
	}
	m.report.add("uploads_mib_s", "uploads at once", number(m.mibs(took)*float64(m.cfg.Uploads)), "MiB/s")
	m.report.add("memory_idle_mib", "the server's memory before", number(float64(idle)/(1<<20)), "MiB")
	m.report.add("memory_chat_mib", "with the chat alone at most, above that", number(float64(chatting-idle)/(1<<20)), "MiB")
	m.report.add("memory_more_mib", "and during them at most, above that", number(float64(most-idle)/(1<<20)), "MiB")
	m.report.addQuantiles("calm", "send→receive in calm", calm)
	m.report.addQuantiles("during", "send→receive during them", during)
	if before, then := calm.quantiles(99)[0], during.quantiles(99)[0]; before != nil && then != nil {
		m.report.add("chat_ratio", "p99 during to p99 in calm", number(*then / *before), "×")
	}
	if one, other := halves[0].quantiles(99)[0], halves[1].quantiles(99)[0]; one != nil && other != nil {
		m.report.add("calm_ratio", "p99 of every other calm spell to that of the rest", number(*other / *one), "×")
	}
	return nil
}

// peak returns the most resident memory that the server has until ctx ends, in bytes.
func (m *mediaRun) peak(ctx context.Context) (most int, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		is, err := m.up.resident()
		if err != nil {
			return 0, err
		}
		most = max(most, is)
		select {
		case <-ctx.Done():
			return most, nil
		case <-tick.C:
		}
	}
}

// chatter is pairs of users of whom one writes to the other at a pace.
type chatter struct {
	sessions []*client.Session
	clock    clock
	stop     context.CancelFunc
	sending  sync.WaitGroup

	mu   sync.Mutex
	into [][]*latency // by spell, the last one is on: a message counts where it was sent
	err  error        // of the first message that was not taken
}

// chat has the pairs chat until it is closed.
func (m *mediaRun) chat(ctx context.Context) (*chatter, error) {
	ctx, stop := context.WithCancel(ctx)
	c := &chatter{clock: clock{time.Now()}, stop: stop, into: [][]*latency{nil}}
	connect := func(u user, handler func(client.Event)) (*client.Session, error) {
		s, err := client.Connect(ctx, client.Options{URL: m.up.URL, Tokens: client.StaticToken(u.Access), Handler: handler})
		if err == nil {
			c.sessions = append(c.sessions, s)
		}
		return s, err
	}
	for i := range m.cfg.Pairs {
		from, err := connect(m.users[2*i], func(client.Event) {})
		if err == nil {
			_, err = connect(m.users[2*i+1], c.receive)
		}
		if err != nil {
			c.close()
			return nil, fmt.Errorf("bench: connect: %w", err)
		}
		channel := string(fabric.Direct(m.users[2*i].ID, m.users[2*i+1].ID))
		c.sending.Go(func() { c.send(ctx, from, channel, m.cfg.Every) })
	}
	return c, nil
}

func (c *chatter) close() {
	c.stop()
	c.sending.Wait()
	for _, s := range c.sessions {
		s.Close()
	}
}

// chatted is the body of a chatter's messages.
type chatted struct {
	At    time.Duration `json:"at"` // by the run's clock
	Spell int           `json:"spell"`
	Text  string        `json:"text"`
}

func (c *chatter) send(ctx context.Context, s *client.Session, channel string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		spell := len(c.into) - 1
		c.mu.Unlock()
		body, err := json.Marshal(chatted{c.clock.now(), spell, "as one types"})
		if err != nil {
			panic(err) // it is two numbers and a text
		}
		_, err = s.SendAsync(client.Draft{To: channel, Kind: "text", Body: body, CID: fabric.NewCID()}, func(_ fabric.Sent, err error) { c.failed(ctx, err) })
		c.failed(ctx, err)
	}
}

// failed notes what a message failed by, unless the chat is at its end.
func (c *chatter) failed(ctx context.Context, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && ctx.Err() == nil && c.err == nil {
		c.err = fmt.Errorf("bench: a message of the chat: %w", err)
	}
}

func (c *chatter) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *chatter) receive(e client.Event) {
	m, ok := e.(*client.Message)
	if !ok {
		return
	}
	var body chatted
	if json.Unmarshal(m.Body, &body) != nil {
		return
	}
	c.mu.Lock()
	into := c.into[body.Spell]
	c.mu.Unlock()
	took := c.clock.now() - body.At
	for _, l := range into {
		l.recorder().record(took)
	}
}

// measure records into each of these, or nowhere, what is sent from now on.
func (c *chatter) measure(into ...*latency) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.into = append(c.into, into)
}
